"""Tests of the texts of events within a batch or a page."""

from __future__ import annotations

import decimal
import functools
import json
import unittest

from pgherald._events import Loads, parse_events
from pgherald._pages import events_of
from pgherald._texts import texts_of

# A double has 17 digits; the string has what structures JSON.
EVENTS = [
    '{"id":1,"type":"a","data":{"n":0.12345678901234567890,"s":"}]{[\\\\\\"},"},"timestamp":1}',
    '{"id":2, "type": "a", "data":[[1.10],{}], "timestamp":1}',
]


class TextsTest(unittest.TestCase):
    def test_a_batch(self) -> None:
        parsers: list[Loads] = [json.loads, functools.partial(json.loads, parse_float=decimal.Decimal)]
        for loads in parsers:
            text = f'{{"type":"batch","data":{{"more":[1],"events":[{",".join(EVENTS)}]}},"timestamp":1}}'
            self.assertEqual([event.raw for event in parse_events(text, "c1", loads)], EVENTS)

    def test_a_page(self) -> None:
        text = f' {{ "events" : [ {" , ".join(EVENTS)} ] , "cursor":"c1","more":false}}'
        events, _, _ = events_of(json.loads(text), text, "live")
        self.assertEqual([event.raw for event in events], EVENTS)

    def test_a_text_that_only_another_parser_reads(self) -> None:
        self.assertEqual(texts_of("{'events': [{'a': 1.5}]}", ("events",), [{"a": 1.5}]), ['{"a": 1.5}'])
        self.assertEqual(texts_of('{"a":1}', ("events",), []), [])


if __name__ == "__main__":
    unittest.main()
