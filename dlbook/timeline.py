"""The history that the book follows, as data and as a drawing: Rosenblatt's perceptron (1958) to AlphaGo Zero (2017).

A year is that of the first public version of the source: of its preprint where there was one, else of its publication.
Where the five lectures say something else, the errata tell what they printed.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlbook.plotting import BLUE, DARK, GREEN, INK, MAGENTA, MAUVE, MUTED, RULE, TEXT, UMBER, VERMILION, VIOLET

__all__ = ["EVENTS", "FAMILIES", "GAP", "WRITTEN", "Event", "plot_timeline", "runs_here"]

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
LINE, COLUMN = 0.72, 2.52  # where the line stands, and from there the second column, in inches from the left


class Event(NamedTuple):
    """One step of the story."""

    year: int
    what: str
    who: str
    sources: tuple[str, ...]  # keys of book/references.bib, the primary source first
    family: str  # key of FAMILIES
    chapter: str  # "part/chapter", written or planned
    module: str | None = None  # what implements it; None where there is nothing to implement


def _event(year: int, what: str, who: str, sources: str, family: str, chapter: str, module: str = "") -> Event:
    """Write an event on one line: ``sources`` apart by spaces, ``module`` within the part of its chapter."""
    name = f"dlbook.{chapter.split('/')[0]}.{module}" if module else None
    return Event(year, what, who, tuple(sources.split()), family, chapter, name)


# fmt: off
# ruff: noqa: E501  (one event, one line)
EVENTS = (
    _event(1958, "Perceptron", "Rosenblatt", "rosenblatt1958", "linear", "perceptron/perceptron", "perceptron"),
    _event(1959, "Cells that see edges", "Hubel, Wiesel", "hubel1959", "image", "convolution/neocognitron"),
    _event(1963, "Convergence bound", "Novikoff", "novikoff1963", "linear", "perceptron/perceptron", "perceptron"),
    _event(1969, "Perceptrons, the book", "Minsky, Papert", "minsky1969", "linear", "perceptron/separability", "separability"),
    _event(1980, "Neocognitron", "Fukushima", "fukushima1980", "image", "convolution/neocognitron", "neocognitron"),
    _event(1986, "Back-propagation", "Rumelhart et al.", "rumelhart1986", "layers", "backprop/backpropagation", "backpropagation"),
    _event(1989, "Universal approximation", "Cybenko; Hornik et al.", "cybenko1989 hornik1989", "layers", "backprop/approximation", "approximation"),
    _event(1989, "Zip codes read by a network", "LeCun et al.", "lecun1989", "image", "convolution/convolution", "convolution"),
    _event(1990, "Recurrent networks find words", "Elman", "elman1990", "sequence", "sequences/recurrent-networks", "rnn"),
    _event(1996, "Sparse coding", "Olshausen, Field", "olshausen1996", "representation", "representation/sparse-coding", "sparse_coding"),
    _event(1997, "Long short-term memory", "Hochreiter, Schmidhuber", "hochreiter1997", "sequence", "sequences/gated-units", "lstm"),
    _event(1998, "LeNet-5", "LeCun et al.", "lecun1998", "image", "convolution/lenet", "lenet"),
    _event(2005, "Oriented gradients (HOG)", "Dalal, Triggs", "dalal2005", "image", "foundations/hand-made-features", "features"),
    _event(2006, "Pretraining, layer by layer", "Hinton, Osindero, Teh", "hinton2006", "representation", "representation/unsupervised-pretraining", "pretraining"),
    _event(2008, "Denoising autoencoders", "Vincent et al.", "vincent2008", "representation", "representation/autoencoders", "autoencoder"),
    _event(2008, "t-SNE", "van der Maaten, Hinton", "vandermaaten2008", "representation", "representation/dimensionality", "tsne"),
    _event(2011, "Conversational speech", "Seide, Li, Yu", "seide2011", "sequence", "sequences/speech"),
    _event(2012, "Dropout", "Hinton et al.", "hinton2012", "layers", "regularization/dropout", "dropout"),
    _event(2012, "AlexNet", "Krizhevsky et al.", "krizhevsky2012", "image", "convolution/alexnet", "alexnet"),
    _event(2013, "Word vectors from context", "Mikolov et al.", "mikolov2013", "representation", "representation/word-vectors", "word_vectors"),
    _event(2013, "Seeing inside the network", "Zeiler, Fergus", "zeiler2013", "image", "convolution/seeing-what-they-see", "visualization"),
    _event(2013, "Deep Q-learning", "Mnih et al.", "mnih2013", "reward", "reinforcement/deep-q-learning", "dqn"),
    _event(2013, "Variational autoencoder", "Kingma, Welling", "kingma2013", "representation", "generative/variational-autoencoders", "vae"),
    _event(2013, "Adversarial examples", "Szegedy et al.", "szegedy2013", "adversarial", "adversarial/adversarial-examples", "fgsm"),
    _event(2014, "Counting linear regions", "Montúfar et al.", "montufar2014", "layers", "backprop/approximation", "approximation"),
    _event(2014, "Gated recurrent unit", "Cho et al.", "cho2014", "sequence", "sequences/gated-units", "gru"),
    _event(2014, "Saddle points, not minima", "Dauphin et al.", "dauphin2014", "layers", "optimization/loss-landscapes", "curvature"),
    _event(2014, "Generative adversarial nets", "Goodfellow et al.", "goodfellow2014gan", "representation", "generative/adversarial-networks", "gan"),
    _event(2014, "Attention", "Bahdanau, Cho, Bengio", "bahdanau2014", "sequence", "sequences/attention", "attention"),
    _event(2014, "Sequence to sequence", "Sutskever, Vinyals, Le", "sutskever2014", "sequence", "sequences/sequence-to-sequence", "seq2seq"),
    _event(2014, "Inception", "Szegedy et al.", "szegedy2014", "image", "convolution/inception", "inception"),
    _event(2014, "Fast gradient sign method", "Goodfellow et al.", "goodfellow2014fgsm", "adversarial", "adversarial/adversarial-examples", "fgsm"),
    _event(2015, "Batch normalization", "Ioffe, Szegedy", "ioffe2015", "layers", "optimization/initialization-and-normalization", "normalization"),
    _event(2015, "DeepFool", "Moosavi-Dezfooli et al.", "moosavi2015", "adversarial", "adversarial/deepfool", "deepfool"),
    _event(2015, "Deep Speech 2", "Amodei et al.", "amodei2015", "sequence", "sequences/speech", "ctc"),
    _event(2015, "Residual networks", "He et al.", "he2015", "image", "convolution/resnet", "resnet"),
    _event(2016, "PixelRNN", "van den Oord et al.", "vandenoord2016pixelrnn", "representation", "generative/autoregressive-images", "pixelrnn"),
    _event(2016, "Group equivariance", "Cohen, Welling", "cohen2016", "image", "convolution/group-equivariance", "group"),
    _event(2016, "Bias in word vectors", "Bolukbasi et al.", "bolukbasi2016", "representation", "representation/bias", "debiasing"),
    _event(2016, "WaveNet", "van den Oord et al.", "vandenoord2016wavenet", "representation", "generative/wavenet", "wavenet"),
    _event(2016, "Universal perturbations", "Moosavi-Dezfooli et al.", "moosavi2016", "adversarial", "adversarial/universal-perturbations", "universal"),
    _event(2016, "Random labels learned", "Zhang et al.", "zhang2016", "layers", "regularization/memorization", "memorization"),
    _event(2017, "Transformer", "Vaswani et al.", "vaswani2017", "sequence", "sequences/transformer", "transformer"),
    _event(2017, "AlphaGo Zero", "Silver et al.", "silver2017", "reward", "reinforcement/alphago-zero", "alphazero"),
)
# fmt: on


# The modules of EVENTS that exist. A list, not a look at the disk: the pages that draw the timeline are executed again
# when this file changes, and would not notice a new file elsewhere. A test compares the list with the disk.
WRITTEN = frozenset(
    {
        "dlbook.adversarial.deepfool",
        "dlbook.adversarial.universal",
        "dlbook.adversarial.fgsm",
        "dlbook.backprop.approximation",
        "dlbook.backprop.backpropagation",
        "dlbook.convolution.alexnet",
        "dlbook.convolution.convolution",
        "dlbook.convolution.group",
        "dlbook.convolution.inception",
        "dlbook.convolution.lenet",
        "dlbook.convolution.neocognitron",
        "dlbook.convolution.resnet",
        "dlbook.convolution.visualization",
        "dlbook.foundations.features",
        "dlbook.generative.gan",
        "dlbook.generative.pixelrnn",
        "dlbook.generative.vae",
        "dlbook.generative.wavenet",
        "dlbook.optimization.curvature",
        "dlbook.optimization.normalization",
        "dlbook.perceptron.perceptron",
        "dlbook.perceptron.separability",
        "dlbook.regularization.dropout",
        "dlbook.regularization.memorization",
        "dlbook.sequences.attention",
        "dlbook.sequences.ctc",
        "dlbook.sequences.gru",
        "dlbook.sequences.lstm",
        "dlbook.sequences.rnn",
        "dlbook.sequences.seq2seq",
        "dlbook.sequences.transformer",
    }
)


def runs_here(event: Event) -> bool:
    """Tell whether the package implements an event, so that the reader can run it.

    Examples
    --------
    >>> [event.what for event in EVENTS[:3] if runs_here(event)]
    ['Perceptron', 'Convergence bound']
    """
    return event.module in WRITTEN


def plot_timeline(events: Sequence[Event] = EVENTS, *, here: str | None = None, width: float = TEXT) -> Figure:
    """Draw events from top to bottom at even spacing, with long gaps written on the line.

    A filled mark runs here, an open one is planned; color and shape tell the family.  A true scale would leave most
    of the page to the years in which little happened and crowd the rest.

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
    years = _checked_years(events, here)
    rows = list(accumulate(1 + (later - earlier >= GAP) for earlier, later in pairwise(years)))
    rows.insert(0, 0)
    families = [name for name in FAMILIES if name in {event.family for event in events}]
    below = rows[-1] + 1.5  # where the legend begins; it has two families a line
    bottom = below + 1 - (-len(families) // 2)
    figure = plt.figure(figsize=(width, ROW * (bottom + 0.6)), layout="none")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(bottom, -0.8))
    ax.axis("off")
    for (year, row), (later, next_row) in pairwise(zip(years, rows, strict=True)):
        long = later - year >= GAP
        style = (0, (1, 1.5)) if long else "-"
        ax.plot([LINE, LINE], [row, next_row], color=RULE, linewidth=2, linestyle=style, zorder=1)
        if long:
            words = f"{later - year} years"
            ax.text(LINE + 0.2, (row + next_row) / 2, words, va="center", color=MUTED, style="italic", fontsize=9.5)
    for i, (event, row) in enumerate(zip(events, rows, strict=True)):
        color, marker, _ = FAMILIES[event.family]
        _mark(ax, LINE, row, marker, color, filled=runs_here(event))
        weight = "bold" if event.chapter == here else "normal"
        if i == 0 or event.year != years[i - 1]:
            ax.text(LINE - 0.2, row, str(event.year), ha="right", va="center", color=INK, weight=weight)
        ax.text(LINE + 0.2, row, event.what, va="center", color=INK, weight=weight)
        ax.text(LINE + COLUMN + 0.2, row, event.who, va="center", color=MUTED, fontsize=10)
    _draw_legend(ax, below, families)
    return figure


def _checked_years(events: Sequence[Event], here: str | None) -> list[int]:
    """Return the years, or say what keeps the events from being drawn."""
    if not events:
        raise ValueError("a timeline needs at least one event, found none")
    for earlier, later in pairwise(events):
        if later.year < earlier.year:
            raise ValueError(f"events go from early to late, but {later.year} ({later.what}) follows {earlier.year}")
    if here is not None and here not in {event.chapter for event in events}:
        raise ValueError(f"no event belongs to the chapter {here!r}")
    return [event.year for event in events]


def _mark(ax: Axes, x: float, y: float, marker: str, color: str, *, filled: bool) -> None:
    """Draw one mark; the shapes have sizes at which they look alike."""
    size = {"P": 80, "X": 80, "D": 50}.get(marker, 65)
    face = color if filled else "white"
    ax.scatter([x], [y], s=size, marker=marker, facecolor=face, edgecolor=color, linewidth=1.8, zorder=2)


def _draw_legend(ax: Axes, top: float, families: Sequence[str]) -> None:
    """Explain the marks below the last event."""
    ax.plot([LINE - 0.6, ax.get_xlim()[1] - 0.12], [top - 0.55] * 2, color=RULE, linewidth=0.8)
    for i, (color, marker, words) in enumerate(FAMILIES[name] for name in families):
        x, y = LINE + COLUMN * (i % 2), top + i // 2
        _mark(ax, x, y, marker, color, filled=True)
        ax.text(x + 0.2, y, words, va="center", color=DARK[color], fontsize=10)
    y = top - (-len(families) // 2)
    for x, filled, words in ((LINE, True, "filled: runs here"), (LINE + COLUMN, False, "open: planned")):
        _mark(ax, x, y, "o", MUTED, filled=filled)
        ax.text(x + 0.2, y, words, va="center", color=MUTED, fontsize=10)
