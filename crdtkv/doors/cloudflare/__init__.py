"""Cloudflare's REST API of Workers KV: clients that people have already, pointed at a colo (docs/cloudflare.md)."""
