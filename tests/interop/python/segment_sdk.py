"""Sends with segment-analytics-python, plain and gzipped; prints how many calls it made."""
import sys
from datetime import datetime

import segment.analytics as analytics
from segment.analytics.client import Client

host, key = sys.argv[1:3]
errors = []
calls = 0
for gzip in (False, True):
    client = Client(key, host=host, gzip=gzip, on_error=lambda error, _: errors.append(error))
    user = f"py-{gzip}"
    client.identify(user, {"email": f"{user}@shop.example", "plan": "pro"})
    client.track(user, "Order Completed", {"order_id": f"o-{user}", "revenue": 12.5, "currency": "EUR", "bad": float("nan")})
    client.page(user, "Docs", "Home", {"when": datetime(2020, 1, 1)})
    client.screen(user, "App", "Start")
    client.group(user, "g1", {"name": "Group"})
    client.alias("old-" + user, user)
    calls += 6
    client.flush()
    client.join()
if errors:
    sys.exit(f"the SDK reported {errors}")
print(calls)
