"""Two articles as a CMS describes them, whose prompts are golden values: never change them."""

from __future__ import annotations

STORM = {
    "locale": "en-GB",
    "section": "weather",
    "headline": "Storm over the harbour",
    "summary": "Ferries stay in port as winds pass 100 km/h. More rain is expected.",
    "tags": ["storm", "Weather"],
}
TYPHOON = {
    "locale": "zh-Hans",
    "section": "天气",
    "headline": "台风逼近港口",
    "summary": "渡轮停航，风速超过每小时100公里。更多消息稍后公布。",
    "tags": ["台风", "港口"],
}
