"""How a field is written on the wire and how strictly it is read, declared beside the field."""

from collections.abc import Mapping


def wire(
    name: str = "",
    *,
    rest: str = "",
    socket: str = "",
    strict: bool | None = None,
    number_as_text: bool = False,
) -> Mapping[str, str | bool]:
    """Return the metadata of a field that is not written or read as most are.

    `name` is its name on the wire over both transports, where that is not its own name in
    camelCase; `rest` and `socket` are for one transport, where the two differ.

    A `strict` field decides about money: a value of another type makes the whole record malformed.
    Any other field only informs: a value of another type is taken as missing. A field without a
    default is strict, and so is a list, unless it says otherwise: then an item of it that cannot
    be read is a record without values, as is a game in any list of games.

    With `number_as_text` a whole number in place of a text is its digits: an order has to be found
    by its reference, however the exchange writes it. An empty text is none: the exchange writes it
    for an order without a reference, or leaves the field out.
    """
    metadata: dict[str, str | bool] = {
        transport: given
        for transport, given in (("rest", rest or name), ("socket", socket or name))
        if given
    }
    if strict is not None:
        metadata["strict"] = strict
    if number_as_text:
        metadata["number_as_text"] = True
    return metadata
