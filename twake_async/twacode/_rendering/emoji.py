"""The emojis that are used most, by the short names of the client. Others show their name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_TABLE: Final = """
+1 👍 thumbsup 👍 -1 👎 thumbsdown 👎 clap 👏 wave 👋 ok_hand 👌 raised_hands 🙌 pray 🙏
muscle 💪 point_right 👉 point_left 👈 point_up ☝️ point_down 👇 v ✌️ eyes 👀 smile 😄
smiley 😃 grinning 😀 grin 😁 joy 😂 blush 😊 wink 😉 heart_eyes 😍 thinking 🤔 cry 😢 sob 😭
angry 😠 scream 😱 sunglasses 😎 slightly_smiling_face 🙂 upside_down_face 🙃
disappointed 😞 confused 😕 sweat_smile 😅 tada 🎉 rocket 🚀 fire 🔥 star ⭐ sparkles ✨
heart ❤️ broken_heart 💔 100 💯 warning ⚠️ no_entry ⛔ rotating_light 🚨 bell 🔔 mute 🔇
white_check_mark ✅ heavy_check_mark ✔️ x ❌ question ❓ exclamation ❗ bulb 💡 memo 📝
calendar 📆 alarm_clock ⏰ hourglass ⌛ lock 🔒 key 🔑 wrench 🔧 hammer 🔨 bug 🐛 package 📦
paperclip 📎 email 📧 phone ☎️ house 🏠 coffee ☕ pizza 🍕 beer 🍺 cake 🍰 sunny ☀️
cloud ☁️ umbrella ☔ robot_face 🤖 ghost 👻 dog 🐶 cat 🐱 red_circle 🔴
large_blue_circle 🔵 arrow_right ➡️ arrow_left ⬅️ arrow_up ⬆️ arrow_down ⬇️
chart_with_upwards_trend 📈 link 🔗 mag 🔍
"""
_words = _TABLE.split()

EMOJI: Final[Mapping[str, str]] = dict(zip(_words[::2], _words[1::2], strict=True))
"""The emoji of each short name."""
