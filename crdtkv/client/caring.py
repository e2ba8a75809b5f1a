"""The calls beside those on keys: versions, lost writes, rules, who belongs, care, changes.

Each has the name, the arguments and the results of the Store's method; here it gives steps.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from crdtkv.client.asking import Asking
from crdtkv.client.steps import Steps
from crdtkv.core.keys import check_key
from crdtkv.core.rules import Rule
from crdtkv.errors import BadRequest, CrdtkvError, RuleInvalid, ValueInvalid
from crdtkv.http import bodies
from crdtkv.http.names import JSON
from crdtkv.store.receipt import Receipt
from crdtkv.store.results import Blame, Change, Conflict, Migration, Revision

__all__ = ["Caring"]


def _segment(name: str) -> str:
    if not isinstance(name, str) or not name:
        raise BadRequest(f"namespace is {name!r:.80}; a name is wanted")
    return quote(name, safe="~")


class Caring(Asking):
    """All calls."""

    # versions

    def history(self, key: str) -> Steps[list[Revision]]:
        """The transactions that touched `key`, oldest first, as far back as that colo knows. As Store.history."""
        plain = yield from self._of_key(key, "history")
        return [bodies.revision_of(revision) for revision in plain["revisions"]]

    def diff(self, key: str, a: str | None, b: str | None = None) -> Steps[list[dict[str, Any]]]:
        """The JSON patch from the value at version `a` (None: absent) to that at `b` (None: now). As Store.diff."""
        plain = yield from self._of_key(key, "diff", {"from": a, "to": b})
        return list(plain["patch"])

    def blame(self, key: str) -> Steps[list[Blame]]:
        """Who wrote each part of what `key` shows, last. As Store.blame."""
        plain = yield from self._of_key(key, "blame")
        return [bodies.blame_of(part) for part in plain["blame"]]

    def _of_key(self, key: str, view: str, query: dict[str, Any] | None = None) -> Steps[Any]:
        reply = yield from self.talk.ask("GET", "keys", check_key(key), view, query=query)
        return self.talk.body(reply)

    # lost writes

    def conflicts(self, prefix: str = "") -> Steps[list[Conflict]]:
        """The inbox of lost writes that this colo made, oldest first. As Store.conflicts."""
        if not isinstance(prefix, str):
            raise ValueInvalid(f"prefix is {prefix!r}; text is wanted")
        reply = yield from self.talk.ask("GET", "conflicts", query={"prefix": prefix or None})
        return [
            bodies.conflict_of(plain, lambda id: self._wait(self.restore(id)), lambda id: self._wait(self.dismiss(id)))
            for plain in self.talk.body(reply)["conflicts"]
        ]

    def restore(self, id: str) -> Steps[Receipt]:
        """The lost write `id` of the inbox is written again, as a new write; as Conflict.restore."""
        reply = yield from self.talk.ask("POST", "conflicts", id, "restore", headers=self._prefer(False), again=False)
        plain = self.talk.body(reply)
        return self._made(plain, bodies.Write(plain["key"], "restore"))

    def dismiss(self, id: str) -> Steps[None]:
        """The lost write `id` is taken out of the inbox, if it is still there; as Conflict.dismiss."""
        try:
            yield from self.talk.ask("DELETE", "conflicts", id)
        except CrdtkvError as error:
            if error.code != "key-absent":
                raise

    def _wait(self, steps: Steps[Any]) -> Any:
        if self._drive is None:
            raise BadRequest("this cannot be waited for", next_step="await kv.restore(id), or kv.dismiss(id)")
        return self._drive(steps)

    # rules

    def rules(self) -> Steps[list[Rule]]:
        """The rules, by pattern. As Rulebook.all."""
        reply = yield from self.talk.ask("GET", "rules")
        return [bodies.rule_of(plain) for plain in self.talk.body(reply)["rules"]]

    def rule_of(self, key: str) -> Steps[Rule]:
        """The rule that holds for `key`. As Rulebook.of."""
        reply = yield from self.talk.ask("GET", "rules", query={"key": check_key(key)})
        return bodies.rule_of(self.talk.body(reply)["rules"][0])

    def set_rule(self, rule: Rule) -> Steps[Rule]:
        """The rule holds for what is made from now on. As Rulebook.set."""
        plain = bodies.plain_rule(rule)
        del plain["pattern"]
        reply = yield from self.talk.ask("PUT", "rules", rule.pattern, body=plain)
        found = self.talk.body(reply)
        return bodies.rule_of(found.get("rule", found))

    def remove_rule(self, pattern: str) -> Steps[None]:
        """The rule of `pattern` is gone; keys keep what they are. As Rulebook.remove."""
        if not isinstance(pattern, str):
            raise RuleInvalid(f"no rule for {pattern!r:.80}")
        yield from self.talk.ask("DELETE", "rules", pattern)

    def migrate(self, pattern: str = "*", *, dry_run: bool = False) -> Steps[list[Migration]]:
        """Rewrite the keys that their rule would make otherwise; or say what that would do. As Rulebook.migrate."""
        reply = yield from self.talk.ask("POST", "migrate", query={"pattern": pattern, "dry_run": dry_run})
        return [bodies.migration_of(plain) for plain in self.talk.body(reply)["migrations"]]

    # who, and care

    def status(self) -> Steps[dict[str, Any]]:
        """What the colo says of itself and of its namespaces (docs/http.md)."""
        reply = yield from self.talk.ask_at("GET", "/v1/status")
        return dict(self.talk.body(reply))

    def standing(self) -> Steps[dict[str, Any]]:
        """What the colo says of this namespace: id, vector, digest, floor, members, forks, bytes."""
        plain = yield from self.status()
        for namespace in plain["namespaces"]:
            if self.talk.namespace in (namespace["name"], namespace["id"]):
                return {"colo": plain["colo"], **namespace}
        raise BadRequest(f"{plain['colo']} serves no namespace {self.talk.namespace!r}")

    def namespaces(self) -> Steps[list[dict[str, Any]]]:
        """The namespaces that there are: name, id, created (ms since 1970), colos (None: all but `without`), hosted
        (by that colo), leaving (the colos that it is being taken off).
        """
        reply = yield from self.talk.ask_at("GET", "/v1/namespaces")
        return list(self.talk.body(reply)["namespaces"])

    def create_namespace(self, name: str, colos: list[str] | None = None) -> Steps[dict[str, Any]]:
        """A namespace of that name is made, at `colos`, or everywhere. Raises NamespaceExists, NamespaceInvalid."""
        body = {"name": name} | ({} if colos is None else {"colos": colos})
        reply = yield from self.talk.ask_at("POST", "/v1/namespaces", body=body, again=False, kind=JSON)
        return dict(self.talk.body(reply))

    def rename_namespace(self, name: str, new: str) -> Steps[dict[str, Any]]:
        """The namespace is called `new` from now on. Raises NamespaceUnknown, NamespaceExists."""
        reply = yield from self.talk.ask_at("PATCH", f"/v1/namespaces/{_segment(name)}", body={"name": new}, kind=JSON)
        return dict(self.talk.body(reply))

    def delete_namespace(self, name: str) -> Steps[None]:
        """The namespace is deleted with its keys, at every colo, for ever. Raises NamespaceUnknown."""
        yield from self.talk.ask_at("DELETE", f"/v1/namespaces/{_segment(name)}", again=False)

    def host_namespace(self, name: str, colo: str) -> Steps[dict[str, Any]]:
        """That colo holds the namespace from now on, too. Raises NamespaceUnknown."""
        reply = yield from self.talk.ask_at("PUT", f"/v1/namespaces/{_segment(name)}/colos/{_segment(colo)}")
        return dict(self.talk.body(reply))

    def unhost_namespace(self, name: str, colo: str) -> Steps[dict[str, Any]]:
        """The namespace is to be taken off that colo, when the others have all that it has. Raises NamespaceUnknown,
        Refused where no other holds it.
        """
        reply = yield from self.talk.ask_at("DELETE", f"/v1/namespaces/{_segment(name)}/colos/{_segment(colo)}")
        return dict(self.talk.body(reply))

    def leave_cluster(self) -> Steps[None]:
        """The colo is to leave its cluster, when the others have all that it has; `left` in its status: it has."""
        yield from self.talk.ask_at("POST", "/v1/leave")

    def evict_everywhere(self, colo: str) -> Steps[dict[str, list[str]]]:
        """An operator's act: `colo` is lost, and belongs to no namespace that this colo holds, nor to the cluster; by
        name the replicas that are out. Raises NotAMember.
        """
        reply = yield from self.talk.ask_at("POST", "/v1/evict", body={"colo": colo}, kind=JSON)
        return dict(self.talk.body(reply)["out"])

    def resolve_everywhere(self, link: str) -> Steps[list[str]]:
        """An operator's act: of a membership conflict, in whatever namespace, the eviction `link` holds; which those
        are. Raises MembershipConflict.
        """
        reply = yield from self.talk.ask_at("POST", "/v1/resolve", body={"link": link}, kind=JSON)
        return list(self.talk.body(reply)["resolved"])

    def backup_colo(self, folder: str) -> Steps[list[str]]:
        """An operator's act: the colo copies every namespace that it holds, as of now, to a new folder of that name
        below its own, while it runs; the files, from there. Raises BadRequest where there is such a folder.
        """
        reply = yield from self.talk.ask_at(
            "POST", "/v1/backup", body={"folder": folder}, again=False, wait=600, kind=JSON
        )
        return list(self.talk.body(reply)["files"])

    def tokens(self) -> Steps[list[dict[str, Any]]]:
        """The tokens that are good: id, label, scopes, created and expires (ms since 1970), without their secrets."""
        reply = yield from self.talk.ask_at("GET", "/v1/tokens")
        return list(self.talk.body(reply)["tokens"])

    def create_token(
        self, label: str, scopes: list[dict[str, Any]], expires: int | None = None
    ) -> Steps[dict[str, Any]]:
        """A new token, its secret in `token`, told this once. A scope: {namespace (or "*"), prefix, actions}."""
        body = {"label": label, "scopes": scopes, "expires": expires}
        reply = yield from self.talk.ask_at("POST", "/v1/tokens", body=body, again=False, kind=JSON)
        return dict(self.talk.body(reply))

    def revoke_token(self, id: str) -> Steps[None]:
        """The token is good no more, at any colo."""
        yield from self.talk.ask_at("DELETE", f"/v1/tokens/{_segment(id)}", again=False)

    def check(self) -> Steps[list[str]]:
        """What is wrong with the store at that colo, in words. As Store.check."""
        reply = yield from self.talk.ask("GET", "check", wait=600)
        return list(self.talk.body(reply)["wrong"])

    def compact(self) -> Steps[int]:
        """Drop what is known to be deleted everywhere, at that colo; how many cells went. As Store.compact."""
        reply = yield from self.talk.ask("POST", "compact", wait=600)
        return int(self.talk.body(reply)["gone"])

    def evict(self, colo: str) -> Steps[list[str]]:
        """An operator's act: `colo` is no member any more. As Store.evict."""
        reply = yield from self.talk.ask("POST", "evict", body={"colo": colo})
        return list(self.talk.body(reply)["out"])

    def resolve(self, link: str) -> Steps[None]:
        """An operator's act: of a membership conflict, the eviction `link` holds. As Store.resolve."""
        yield from self.talk.ask("POST", "resolve", body={"link": link})

    def leave(self) -> Steps[None]:
        """Retire the colo from the namespace. As Store.leave."""
        yield from self.talk.ask("POST", "leave")

    # changes

    def changes(self, prefix: str, since: str | None, timeout: float) -> Steps[tuple[list[Change], str]]:
        """What changed since that cursor (None: from now on), waited for up to `timeout` seconds; the next cursor."""
        query = {"prefix": prefix or None, "since": since, "timeout": timeout, "feed": "longpoll"}
        reply = yield from self.talk.ask("GET", "changes", query=query, wait=timeout)
        plain = self.talk.body(reply)
        return [bodies.change_of(change) for change in plain["changes"]], plain["cursor"]
