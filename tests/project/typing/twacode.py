"""A user's rich messages, never run: mypy and pyright, both strict, check the nodes with them."""

from typing import assert_type

from twake_async import MessageDraft, TwakeSession
from twake_async.twacode import (
    Bold,
    Break,
    Button,
    Child,
    Content,
    Italic,
    Markdown,
    Node,
    Option,
    Portable,
    Select,
    Url,
    UserMention,
    UserSpecific,
    decode,
    fallback_text,
    hidden_data,
    portable,
)


def compose() -> Content:
    """Text and nodes compose in any order; the sequence is a `Content`."""
    assert_type(Bold("hi ", Italic("you")) + "!", Content)
    assert_type("so " + Bold("hi"), Content)
    assert_type(Break() + Break(), Content)
    total = Content()
    for name in ("alice", "bob"):
        total += UserMention(name, "id") + ", "
    total += Select("a", Option("b", "2", selected=True), title="Pick", action_id="pick")
    assert_type(total[0], Child)
    assert_type(str(total), str)
    return total


def refuse() -> None:
    """Values that are refused at run time are type errors, as far as types can show it."""
    Bold(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Button("x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Button("x", action_id="a", style="red")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Url()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


class LooksLikeANode:
    """A class with the method of a node that is no node: the client could not show it."""

    def reading(self) -> tuple[str, ...]:
        """Return text."""
        return ("x",)


class Mine(Node):  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue, reportGeneralTypeIssues]
    """A user's subclass: checkers refuse it where it is defined, and so does Python."""

    def reading(self) -> tuple[str, ...]:
        """Return text."""
        return ("x",)


class MyBold(Bold):  # type: ignore[call-arg, misc]  # pyright: ignore[reportCallIssue, reportGeneralTypeIssues]
    """A node class is final."""


def refuse_what_is_no_node(tree: Portable, option: Option) -> None:
    """A child is text or a node of the package, wherever one is given."""
    Bold(LooksLikeANode())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Content("x", tree)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Button(option, action_id="a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Bold("x") + LooksLikeANode()  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue, reportUnusedExpression]
    LooksLikeANode() + Bold("x")  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue, reportUnusedExpression]
    UserSpecific("user", {"key": LooksLikeANode()})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    Node()  # type: ignore[abstract]  # pyright: ignore[reportAbstractUsage]


async def send(twake: TwakeSession, node: Node) -> None:
    """Nodes go wherever content goes."""
    seen = [UserSpecific("user", {"key": compose()})]
    message = await twake.send_message("channel", Markdown("**hi**"), hidden_data=hidden_data(n=1))
    await twake.edit_message(message, compose(), user_specific=seen)
    await twake.send(MessageDraft("channel", [node, "text"], user_specific=seen))
    tree = decode(message.content)
    assert_type(tree, Child | Portable)
    assert_type(fallback_text(node), str)
    portable(tree, fallback="by hand")
