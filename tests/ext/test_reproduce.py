"""What counts as the same output of a cell."""

from reproduce import joined


def stream(text: str, name: str = "stdout") -> dict[str, str]:
    return {"output_type": "stream", "name": name, "text": text}


def test_pieces_of_one_stream_are_joined():
    figure = {"output_type": "display_data"}
    pieces = [stream("a"), stream("b"), stream("c", "stderr"), figure, stream("d")]
    assert joined(pieces) == [stream("ab"), stream("c", "stderr"), figure, stream("d")]
    assert pieces[0] == stream("a"), "the outputs themselves stay as they are"
    assert joined([]) == []


def test_what_was_printed_still_counts():
    assert joined([stream("ab")]) == joined([stream("a"), stream("b")])
    assert joined([stream("ab")]) != joined([stream("a"), stream("c")])
    assert joined([stream("ab")]) != joined([stream("ab", "stderr")])
