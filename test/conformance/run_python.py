"""Makes the calls on standard input with OpenAI's official client and prints what came of them, as JSON."""

import json
import sys
from operator import attrgetter

import openai


def plain(value):
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def make(client, call):
    body = call.get("body", {})
    named = {**body, "extra_body": call["extra"]} if "extra" in call else body
    events = []
    try:
        value = attrgetter(call["method"])(client)(*call.get("args", []), **named)
        if not body.get("stream"):
            dumped = plain(value)
            if hasattr(value, "output_text"):
                dumped["output_text"] = value.output_text
            return {"value": dumped}
        for event in value:
            events.append(plain(event))
        return {"events": events}
    except openai.APIError as error:
        described = {
            "class": type(error).__name__,
            "status": getattr(error, "status_code", None),
            "code": error.code,
            "type": error.type,
            "message": error.message,
        }
        return {"events": events, "error": described}


request = json.load(sys.stdin)
results = []
for call in request["calls"]:
    key = call.get("apiKey", request["apiKey"])
    retries = {} if request.get("repeatsRequests") else {"max_retries": 0}
    with openai.OpenAI(base_url=request["baseUrl"], api_key=key, timeout=60, **retries) as client:
        results.append(make(client, call))
print(json.dumps(results))
