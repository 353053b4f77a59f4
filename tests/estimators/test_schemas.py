"""Schemas as the model reads them."""

import json

from compact_otel.estimators.schemas import output_schema_text, tools_text

BOOK_FLIGHT = {
    "type": "function",
    "name": "book_flight",
    "description": "Book a flight.\nAsk before you pay.",
    "parameters": {
        "type": "object",
        "properties": {
            "to": {"$ref": "#/$defs/Airport", "description": "Where to."},
            "seats": {
                "type": "integer",
                "title": "Seats",
                "description": "How many.",
                "default": 1,
            },
            "cabin": {"type": "string", "enum": ["economy", "business"], "default": "economy"},
            "stops": {"type": "array", "items": {"$ref": "#/$defs/Airport"}},
            "back": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
            "kind": {"const": "flight"},
            "budget": {"type": ["number", "null"]},
            "extras": {"type": "object", "additionalProperties": {"type": "string"}},
            "tags": {"type": "array"},
            "both": {"allOf": [{"type": "string"}, {"type": "boolean"}]},
            "free": {},
            "odd": True,
        },
        "required": ["to", "kind"],
        "$defs": {
            "Airport": {
                "type": "object",
                "properties": {"code": {"type": "string", "description": "IATA, as in “ZRH”."}},
                "required": ["code"],
            }
        },
    },
}

BOOK_FLIGHT_TEXT = """\
namespace functions {

// Book a flight.
Ask before you pay.
type book_flight = (_: {
// Where to.
to: {
    // IATA, as in “ZRH”.
    code: string,
    },
// Seats
//
// How many.
seats?: number, // default: 1
cabin?: "economy" | "business", // default: "economy"
stops?: {
    // IATA, as in “ZRH”.
    code: string,
    }[],
back?: string | null,
kind: "flight",
budget?: number | null,
extras?: object,
tags?: any[],
both?: string & boolean,
free?: any,
odd?: any,
}) => any;

type now = () => any;

} // namespace functions"""


def tool(parameters):
    return {"type": "function", "name": "go", "description": "", "parameters": parameters}


def declared(parameters):
    return tools_text([tool(parameters)]).split("\n\n")[1]


def test_tools_are_declared_as_openai_harmony_declares_them():
    now = {"type": "function", "name": "now", "parameters": {"type": "object", "properties": {}}}
    assert tools_text([BOOK_FLIGHT, now]) == BOOK_FLIGHT_TEXT


def test_a_tool_without_parameters_takes_no_argument():
    for parameters in (None, {}, {"type": "object"}, {"type": "object", "properties": {}}):
        assert declared(parameters) == "type go = () => any;"


def test_what_is_said_of_all_parameters_stands_above_them():
    parameters = {
        "title": "go_args",
        "description": "Where to go.",
        "type": "object",
        "properties": {"to": {"type": "object", "title": "Place", "properties": {"x": {}}}},
    }
    text = declared(parameters)
    assert text.startswith("type go = (_: // go_args\n// Where to go.\n{\n// Place\n//\nto?: {\n")
    assert text.count("Place") == 1


def test_one_of_several_types_is_declared_with_what_is_said_of_each():
    choice = {
        "oneOf": [
            {"type": "string", "description": "A name.", "default": "x"},
            {"type": "object", "properties": {"id": {"type": "integer"}}},
            {"type": "string", "nullable": True},
        ]
    }
    expected = """\
type go = (_: {
who?:\x20
     | string // A name. default: "x"
     | {
       id?: number,
       }
     | string | null,
}) => any;"""
    assert declared({"type": "object", "properties": {"who": choice}}) == expected


def test_examples_are_shown():
    parameters = {
        "type": "object",
        "properties": {"city": {"type": "string", "examples": ["Zürich", "Bern"]}},
    }
    assert '// Examples:\n// - "Zürich"\n// - "Bern"\ncity?: string,' in declared(parameters)


def test_a_schema_that_is_a_reference_is_followed():
    parameters = {
        "$ref": "#/$defs/Query",
        "$defs": {"Query": {"type": "object", "properties": {"q": {"type": "string"}}}},
    }
    assert declared(parameters) == "type go = (_: {\nq?: string,\n}) => any;"


def test_a_schema_that_contains_itself_ends():
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    parameters = {**node, "$defs": {"Node": node}}
    assert declared(parameters).count("next?:") == 2
    assert declared({"type": "object", "properties": {"self": {"$ref": "#"}}}).count("self?:") == 1


def test_a_reference_to_nowhere_may_be_anything():
    parameters = {"type": "object", "properties": {"x": {"$ref": "https://example.com/s.json"}}}
    assert "x?: any," in declared(parameters)


def test_a_schema_that_doubles_at_every_step_stays_small():
    names = [f"D{number}" for number in range(30)]
    definitions = {
        name: {
            "type": "object",
            "properties": {side: {"$ref": f"#/$defs/{below}"} for side in ("left", "right")},
        }
        for name, below in zip(names, [*names[1:], "D29"], strict=True)
    }
    text = declared({"$ref": "#/$defs/D0", "$defs": definitions})
    assert len(text) < 1_000_000


def test_a_tool_is_declared_anew_when_its_schema_changes():
    changing = tool({"type": "object", "properties": {"a": {"type": "string"}}})
    before = tools_text([changing])
    changing["parameters"]["properties"]["b"] = {"type": "string"}
    assert tools_text([changing]) != before


def test_an_output_schema_loses_what_strict_mode_demands_and_keeps_properties_of_that_name():
    schema = {
        "type": "object",
        "title": "Answer",
        "properties": {
            "required": {"type": "boolean"},
            "cities": {
                "type": "array",
                "items": {"$ref": "#/$defs/City"},
            },
        },
        "required": ["required", "cities"],
        "additionalProperties": False,
        "$defs": {
            "City": {
                "type": "object",
                "properties": {"name": {"type": "string"}},
                "required": ["name"],
                "additionalProperties": False,
            }
        },
    }
    assert json.loads(output_schema_text(schema)) == {
        "type": "object",
        "title": "Answer",
        "properties": {
            "required": {"type": "boolean"},
            "cities": {"type": "array", "items": {"$ref": "#/$defs/City"}},
        },
        "$defs": {"City": {"type": "object", "properties": {"name": {"type": "string"}}}},
    }


def test_an_output_schema_is_written_without_spaces():
    assert output_schema_text({"type": "string", "title": "Größe"}) == (
        '{"type":"string","title":"Größe"}'
    )
