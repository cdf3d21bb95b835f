"""Sends with rudder-sdk-python; prints how many calls it made."""
import sys

from rudderstack.analytics.client import Client

host, key = sys.argv[1:3]
errors = []
client = Client(key, host=host, on_error=lambda error, _: errors.append(error))
client.identify("rp", {"email": "rp@shop.example"})
client.track("rp", "Order Completed", {"order_id": "o-rp", "revenue": 7, "currency": "USD", "inf": float("inf")})
client.page("rp", "Docs", "Home")
client.screen("rp", "App", "Start")
client.group("rp", "g1")
client.alias("old-rp", "rp")
client.flush()
client.join()
if errors:
    sys.exit(f"the SDK reported {errors}")
print(6)
