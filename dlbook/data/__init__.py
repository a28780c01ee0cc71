"""The book's data sets, its generated ones, and the batches that training reads.

The one package of the book that re-exports: a reader says ``from dlbook.data import mnist`` without knowing which file
holds it.  The build follows each name to its module, so a chapter still depends on the modules it uses and no others.
"""

from dlbook._files import DamagedFileError
from dlbook.data.batches import Batches
from dlbook.data.generators import blobs, playground, rings, two_moons, xor
from dlbook.data.images import CIFAR10_CLASSES, FASHION_CLASSES, Images, cifar10, fashion_mnist, mnist
from dlbook.data.sentences import sentence_pairs
from dlbook.data.speech import SAMPLE_RATE, speech_prompts
from dlbook.data.text import Glove, glove, imagenet_classes, king_james

__all__ = [
    "CIFAR10_CLASSES",
    "FASHION_CLASSES",
    "SAMPLE_RATE",
    "Batches",
    "DamagedFileError",
    "Glove",
    "Images",
    "blobs",
    "cifar10",
    "fashion_mnist",
    "glove",
    "imagenet_classes",
    "king_james",
    "mnist",
    "playground",
    "rings",
    "sentence_pairs",
    "speech_prompts",
    "two_moons",
    "xor",
]
