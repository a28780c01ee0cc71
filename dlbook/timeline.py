"""The history that the book follows, as data and as a drawing: Rosenblatt's perceptron (1958) to AlphaGo Zero (2017).

A year is that of the first public version of the source: of its preprint where there was one, else of its publication.
Where the five lectures say something else, the errata tell what they printed.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import NamedTuple

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from dlbook.plotting import BLUE, DARK, GREEN, INK, MAGENTA, MAUVE, MUTED, RULE, TEXT, UMBER, VERMILION, VIOLET

FAMILIES = {  # name: (color, marker, words of the legend)
    "linear": (BLUE, "o", "linear machines"),
    "layers": (VERMILION, "s", "layers and training"),
    "image": (GREEN, "^", "images"),
    "sequence": (MAGENTA, "D", "sequences"),
    "representation": (VIOLET, "P", "representation, generation"),
    "adversarial": (UMBER, "v", "adversarial examples"),
    "reward": (MAUVE, "X", "learning from reward"),
}
GAP = 5  # years; a longer one is written on the line
ROW = 0.265  # inches an event


class Event(NamedTuple):
    """One step of the story."""

    year: int
    what: str
    who: str
    sources: tuple[str, ...]  # keys of book/references.bib, the primary source first
    family: str  # key of FAMILIES
    chapter: str  # "part/chapter", written or planned
    module: str | None = None  # what implements it; None where there is nothing to implement


# fmt: off
EVENTS = (
    Event(1958, "Perceptron", "Rosenblatt", ("rosenblatt1958",), "linear", "perceptron/perceptron", "dlbook.perceptron.perceptron"),
    Event(1959, "Cells that see edges", "Hubel, Wiesel", ("hubel1959",), "image", "convolution/neocognitron"),
    Event(1963, "Convergence bound", "Novikoff", ("novikoff1963",), "linear", "perceptron/perceptron", "dlbook.perceptron.perceptron"),
    Event(1969, "Perceptrons, the book", "Minsky, Papert", ("minsky1969",), "linear", "perceptron/separability", "dlbook.perceptron.separability"),
    Event(1980, "Neocognitron", "Fukushima", ("fukushima1980",), "image", "convolution/neocognitron", "dlbook.convolution.neocognitron"),
    Event(1986, "Back-propagation", "Rumelhart et al.", ("rumelhart1986",), "layers", "backprop/backpropagation", "dlbook.backprop.backpropagation"),
    Event(1989, "Universal approximation", "Cybenko; Hornik et al.", ("cybenko1989", "hornik1989"), "layers", "backprop/approximation", "dlbook.backprop.approximation"),
    Event(1989, "Zip codes read by a network", "LeCun et al.", ("lecun1989",), "image", "convolution/convolution", "dlbook.convolution.convolution"),
    Event(1996, "Sparse coding", "Olshausen, Field", ("olshausen1996",), "representation", "representation/sparse-coding", "dlbook.representation.sparse_coding"),
    Event(1997, "Long short-term memory", "Hochreiter, Schmidhuber", ("hochreiter1997",), "sequence", "sequences/gated-units", "dlbook.sequences.lstm"),
    Event(1998, "LeNet-5", "LeCun et al.", ("lecun1998",), "image", "convolution/lenet", "dlbook.convolution.lenet"),
    Event(2005, "Oriented gradients (HOG)", "Dalal, Triggs", ("dalal2005",), "image", "foundations/hand-made-features", "dlbook.foundations.features"),
    Event(2006, "Pretraining, layer by layer", "Hinton, Osindero, Teh", ("hinton2006",), "representation", "representation/unsupervised-pretraining", "dlbook.representation.pretraining"),
    Event(2008, "Denoising autoencoders", "Vincent et al.", ("vincent2008",), "representation", "representation/autoencoders", "dlbook.representation.autoencoder"),
    Event(2008, "t-SNE", "van der Maaten, Hinton", ("vandermaaten2008",), "representation", "representation/dimensionality", "dlbook.representation.tsne"),
    Event(2011, "Conversational speech", "Seide, Li, Yu", ("seide2011",), "sequence", "sequences/speech"),
    Event(2012, "Dropout", "Hinton et al.", ("hinton2012",), "layers", "regularization/dropout", "dlbook.regularization.dropout"),
    Event(2012, "AlexNet", "Krizhevsky et al.", ("krizhevsky2012",), "image", "convolution/alexnet", "dlbook.convolution.alexnet"),
    Event(2013, "Word vectors from context", "Mikolov et al.", ("mikolov2013",), "representation", "representation/word-vectors", "dlbook.representation.word_vectors"),
    Event(2013, "Seeing inside the network", "Zeiler, Fergus", ("zeiler2013",), "image", "convolution/seeing-what-they-see", "dlbook.convolution.visualization"),
    Event(2013, "Deep Q-learning", "Mnih et al.", ("mnih2013",), "reward", "reinforcement/deep-q-learning", "dlbook.reinforcement.dqn"),
    Event(2013, "Variational autoencoder", "Kingma, Welling", ("kingma2013",), "representation", "generative/variational-autoencoders", "dlbook.generative.vae"),
    Event(2013, "Adversarial examples", "Szegedy et al.", ("szegedy2013",), "adversarial", "adversarial/adversarial-examples", "dlbook.adversarial.fgsm"),
    Event(2014, "Counting linear regions", "Montúfar et al.", ("montufar2014",), "layers", "backprop/approximation", "dlbook.backprop.approximation"),
    Event(2014, "Gated recurrent unit", "Cho et al.", ("cho2014",), "sequence", "sequences/gated-units", "dlbook.sequences.gru"),
    Event(2014, "Saddle points, not minima", "Dauphin et al.", ("dauphin2014",), "layers", "optimization/loss-landscapes", "dlbook.optimization.landscape"),
    Event(2014, "Generative adversarial nets", "Goodfellow et al.", ("goodfellow2014gan",), "representation", "generative/adversarial-networks", "dlbook.generative.gan"),
    Event(2014, "Attention", "Bahdanau, Cho, Bengio", ("bahdanau2014",), "sequence", "sequences/attention", "dlbook.sequences.attention"),
    Event(2014, "Sequence to sequence", "Sutskever, Vinyals, Le", ("sutskever2014",), "sequence", "sequences/sequence-to-sequence", "dlbook.sequences.seq2seq"),
    Event(2014, "Inception", "Szegedy et al.", ("szegedy2014",), "image", "convolution/inception", "dlbook.convolution.inception"),
    Event(2014, "Fast gradient sign method", "Goodfellow et al.", ("goodfellow2014fgsm",), "adversarial", "adversarial/adversarial-examples", "dlbook.adversarial.fgsm"),
    Event(2015, "Batch normalization", "Ioffe, Szegedy", ("ioffe2015",), "layers", "optimization/initialization-and-normalization", "dlbook.optimization.normalization"),
    Event(2015, "DeepFool", "Moosavi-Dezfooli et al.", ("moosavi2015",), "adversarial", "adversarial/deepfool", "dlbook.adversarial.deepfool"),
    Event(2015, "Deep Speech 2", "Amodei et al.", ("amodei2015",), "sequence", "sequences/speech", "dlbook.sequences.ctc"),
    Event(2015, "Residual networks", "He et al.", ("he2015",), "image", "convolution/resnet", "dlbook.convolution.resnet"),
    Event(2016, "PixelRNN", "van den Oord et al.", ("vandenoord2016pixelrnn",), "representation", "generative/autoregressive-images", "dlbook.generative.pixelrnn"),
    Event(2016, "Group equivariance", "Cohen, Welling", ("cohen2016",), "image", "convolution/group-equivariance", "dlbook.convolution.group"),
    Event(2016, "Bias in word vectors", "Bolukbasi et al.", ("bolukbasi2016",), "representation", "representation/bias", "dlbook.representation.debiasing"),
    Event(2016, "WaveNet", "van den Oord et al.", ("vandenoord2016wavenet",), "representation", "generative/wavenet", "dlbook.generative.wavenet"),
    Event(2016, "Universal perturbations", "Moosavi-Dezfooli et al.", ("moosavi2016",), "adversarial", "adversarial/universal-perturbations", "dlbook.adversarial.universal"),
    Event(2016, "Random labels learned", "Zhang et al.", ("zhang2016",), "layers", "regularization/memorization", "dlbook.regularization.memorization"),
    Event(2017, "Transformer", "Vaswani et al.", ("vaswani2017",), "sequence", "sequences/transformer", "dlbook.sequences.transformer"),
    Event(2017, "AlphaGo Zero", "Silver et al.", ("silver2017",), "reward", "reinforcement/alphago-zero", "dlbook.reinforcement.alphazero"),
)
# fmt: on


def runs_here(event: Event) -> bool:
    """Tell whether the package implements an event, so that the reader can run it.

    Examples
    --------
    >>> runs_here(Event(1959, "Cells that see edges", "Hubel, Wiesel", (), "image", "convolution/neocognitron"))
    False
    """
    if event.module is None:
        return False
    try:
        return find_spec(event.module) is not None
    except ModuleNotFoundError:  # not even the part's package
        return False


def plot_timeline(events: Sequence[Event] = EVENTS, *, here: str | None = None, width: float = TEXT) -> Figure:
    """Draw events from top to bottom at even spacing, with long gaps written on the line.

    A filled mark runs here, an open one is planned; color and shape tell the family.  A true scale would leave most of the
    page to the years in which little happened and crowd the rest.

    Parameters
    ----------
    events : sequence of Event
        In the order of their years; a chapter may pass some of ``EVENTS``.
    here : str, optional
        A chapter, "part/chapter"; its events stand in bold.
    width : float
        Of the figure, in inches.

    Raises
    ------
    ValueError
        If there is no event, they are out of order, or ``here`` is the chapter of none.
    """
    if not events:
        raise ValueError("a timeline needs at least one event, found none")
    years = [event.year for event in events]
    if years != sorted(years):
        first = next(i for i in range(1, len(years)) if years[i] < years[i - 1])
        raise ValueError(f"events go from early to late, but {years[first]} ({events[first].what}) follows {years[first - 1]}")
    if here is not None and here not in {event.chapter for event in events}:
        raise ValueError(f"no event belongs to the chapter {here!r}")
    families = [name for name in FAMILIES if name in {event.family for event in events}]
    rows, row = [], 0.0
    for i, event in enumerate(events):
        if i > 0:
            row += 1 + (years[i] - years[i - 1] >= GAP)
        rows.append(row)
    legend = -(-len(families) // 2)  # two to a line
    height = ROW * (row + 1.6 + legend + 1.5)
    figure = plt.figure(figsize=(width, height), layout="none")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(row + 1.2 + legend + 1.3, -0.8))
    ax.axis("off")
    line = 0.72
    for i, (event, at) in enumerate(zip(events, rows, strict=True)):
        color, marker, _ = FAMILIES[event.family]
        if i > 0:
            long = years[i] - years[i - 1] >= GAP
            ax.plot([line, line], [rows[i - 1], at], color=RULE, linewidth=2, linestyle=(0, (1, 1.5)) if long else "-", zorder=1)
            if long:
                gap = f"{years[i] - years[i - 1]} years"
                ax.text(line + 0.2, (rows[i - 1] + at) / 2, gap, va="center", color=MUTED, style="italic", fontsize=9.5)
        size = {"P": 80, "X": 80, "D": 50}.get(marker, 65)
        face = color if runs_here(event) else "white"
        ax.scatter([line], [at], s=size, marker=marker, facecolor=face, edgecolor=color, linewidth=1.8, zorder=2)
        weight = "bold" if event.chapter == here else "normal"
        if i == 0 or years[i] != years[i - 1]:
            ax.text(line - 0.2, at, str(event.year), ha="right", va="center", color=INK, weight=weight)
        ax.text(line + 0.2, at, event.what, va="center", color=INK, weight=weight)
        ax.text(line + 2.72, at, event.who, va="center", color=MUTED, fontsize=10)
    _legend(ax_top=row + 1.5, figure=figure, families=families, line=line)
    return figure


def _legend(*, ax_top: float, figure: Figure, families: list[str], line: float) -> None:
    """Explain the marks below the last event."""
    ax = figure.axes[0]
    ax.plot([line - 0.6, figure.get_figwidth() - 0.12], [ax_top - 0.55] * 2, color=RULE, linewidth=0.8)
    for i, name in enumerate(families):
        color, marker, words = FAMILIES[name]
        x, y = line + 2.52 * (i % 2), ax_top + i // 2
        ax.scatter([x], [y], s=55, marker=marker, facecolor=color, edgecolor=color, linewidth=1.8)
        ax.text(x + 0.2, y, words, va="center", color=DARK[color], fontsize=10)
    y = ax_top + -(-len(families) // 2)
    for i, (face, words) in enumerate(((MUTED, "filled: runs here"), ("white", "open: planned"))):
        ax.scatter([line + 2.52 * i], [y], s=55, marker="o", facecolor=face, edgecolor=MUTED, linewidth=1.8)
        ax.text(line + 0.2 + 2.52 * i, y, words, va="center", color=MUTED, fontsize=10)
