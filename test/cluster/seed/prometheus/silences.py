"""Makes one active, one pending and one expired silence through Alertmanager's API."""
import json
import time
import urllib.error
import urllib.request

api = "http://127.0.0.1:9093/api/v2"


def call(method, path, body=None):
    request = urllib.request.Request(api + path, method=method, headers={"Content-Type": "application/json"})
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(request, data, timeout=10) as response:
        return json.loads(response.read() or "null")


def when(hours):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + hours * 3600))


def silence(comment, start, end, **matchers):
    wanted = [{"name": name, "value": value, "isRegex": value.endswith(".*"), "isEqual": True} for name, value in matchers.items()]
    return {"comment": comment, "createdBy": "operations", "startsAt": when(start), "endsAt": when(end), "matchers": wanted}


for _ in range(100):
    try:
        call("GET", "/status")
        break
    except (urllib.error.URLError, ConnectionError):
        time.sleep(0.2)
call("POST", "/silences", silence("Wartung bis Übergabe", 0, 24 * 30, alertname="HostDown", instance="db.*"))
call("POST", "/silences", silence("planned upgrade", 24, 48, alertname="QueueLong"))
expired = call("POST", "/silences", silence("over", 0, 1, alertname="Gone"))
call("DELETE", "/silence/" + expired["silenceID"])
