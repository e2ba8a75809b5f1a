"""Django's cache and sessions over redis://$REDIS: every method of a cache, and a session from request to request."""

import os
import sys

import django
from django.conf import settings

settings.configure(
    CACHES={"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": os.environ["REDIS"]}},
    SESSION_ENGINE="django.contrib.sessions.backends.cache", USE_TZ=True, SECRET_KEY="of a test",
    INSTALLED_APPS=["django.contrib.sessions"],
)  # fmt: skip
django.setup()

from django.contrib.sessions.backends.cache import SessionStore  # noqa: E402
from django.core.cache import cache  # noqa: E402

cache.set("a", {"deep": [1, "two"]}, 30)
assert cache.get("a") == {"deep": [1, "two"]} and cache.get("nothing", 5) == 5
assert cache.add("b", 1) and not cache.add("b", 2)
assert cache.incr("b") == 2 and cache.incr("b", 10) == 12 and cache.decr("b") == 11 and cache.get("b") == 11
cache.set_many({"c": 1, "d": "x"}, 60)
assert cache.get_many(["c", "d", "nothing"]) == {"c": 1, "d": "x"}
assert cache.touch("c", 100) and cache.touch("d", None) and not cache.touch("nothing")
assert cache.get_or_set("e", lambda: 7) == 7 and "e" in cache and cache.has_key("e")
cache.set("gone", 1, 0)
assert cache.get("gone") is None
cache.delete_many(["c", "d"])
assert cache.get("c") is None and cache.delete("e") and not cache.delete("e")
cache.set("v", 1, version=2)
assert cache.get("v") is None and cache.incr_version("v", version=2) == 3 and cache.get("v", version=3) == 1
try:
    cache.incr("nothing")
except ValueError:
    pass
else:
    sys.exit("incr of nothing")

session = SessionStore()
session["cart"] = [1, 2]
session.save()
again = SessionStore(session.session_key)
assert again["cart"] == [1, 2]
again["cart"] = [1, 2, 3]
again.save()
assert SessionStore(session.session_key)["cart"] == [1, 2, 3] and again.exists(session.session_key)
again.cycle_key()
again.flush()
assert SessionStore(session.session_key).get("cart") is None
cache.clear()
assert cache.get("a") is None
print("django", django.get_version())
