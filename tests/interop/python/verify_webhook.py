"""Verifies one delivery with the standardwebhooks package: JSON {secret, headers, body} on stdin."""
import json
import sys

from standardwebhooks import Webhook

delivery = json.load(sys.stdin)
payload = Webhook(delivery["secret"]).verify(delivery["body"], delivery["headers"])
forged = delivery["body"].replace("entered", "Entered")
try:
    Webhook(delivery["secret"]).verify(forged, delivery["headers"])
    sys.exit("a forged body was accepted")
except Exception:
    pass
print(payload["type"])
