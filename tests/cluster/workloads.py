"""What clients do to a cluster while it fails, and what must hold of it in the end.

A workload has one `act` at a time per client, and a client a home colo. `judge` is given all
keys and values as one colo shows them when everything is healed. Each writes keys of its own,
beginning with its name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import Any

from tests.cluster.asking import Answer, Connection
from tests.cluster.ledger import Ledger

__all__ = [
    "ALL",
    "Appends",
    "Client",
    "Counts",
    "Documents",
    "Keys",
    "Puts",
    "Sessions",
    "Sets",
    "Transactions",
    "Workload",
]

ROOT = "/v1/default"
KEYS = 3


class Client:
    """Who acts: a name, a home colo, and a connection to each of them."""

    def __init__(self, name: str, home: str, ports: Mapping[str, int], random: Random) -> None:
        self.name, self.home, self.random = name, home, random
        self.colos = list(ports)
        self._connections = {colo: Connection(port) for colo, port in ports.items()}
        self.answers: Counter[str] = Counter()
        self.complaints: list[str] = []
        self.made = 0

    async def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, colo: str = ""
    ) -> Answer:
        """At home, or at another colo. What no client should ever be told is a complaint."""
        answer = await self._connections[colo or self.home].ask(method, ROOT + path, body, headers)
        self.answers[str(answer.status)] += 1
        if answer.status >= 400 and answer.status not in _EXPECTED and not _of_a_return(answer):
            self.complaints.append(f"{colo or self.home}: {method} {path}: {answer.status} {answer.body[:300]!r}")
        return answer

    def fresh(self) -> str:
        """A name that no element had before."""
        self.made += 1
        return f"{self.name}.{self.made}"

    def elsewhere(self) -> str:
        """Any colo."""
        return self.random.choice(self.colos)

    async def close(self) -> None:
        for connection in self._connections.values():
            await connection.close()


_EXPECTED = (404, 412, 429, 503)


def _of_a_return(answer: Answer) -> bool:
    """Whether it is what a colo says that was put back to an old state, or wiped, and took everything anew.

    Between a client's read and its put the history may have begun again there.
    """
    return b'"not-a-member"' in answer.body or (b'"base-too-old"' in answer.body and answer.happened == "no")


class Workload:
    """One kind of clients' work."""

    name = ""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.wrong: list[str] = []

    def key(self, client: Client) -> str:
        return f"{self.name}-{client.random.randrange(KEYS)}"

    async def act(self, client: Client) -> None:
        """One step of a client's work."""
        raise NotImplementedError

    async def settle(self, client: Client) -> None:
        """After the healing: what a client does not give up."""

    def judge(self, shown: Mapping[str, Any]) -> list[str]:
        """What is wrong with what a colo shows in the end."""
        return self.wrong + self.ledger.judge(e for value in self.mine(shown).values() for e in value)

    def mine(self, shown: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in shown.items() if key.startswith(f"{self.name}-")}


class Appends(Workload):
    """A list that all append to: each element once."""

    name = "appends"

    async def act(self, client: Client) -> None:
        element = client.fresh()
        path = f"/keys/{self.key(client)}/operations"
        answer = await client.ask("POST", path, {"op": "append", "value": element})
        self.ledger.add(element, answer.happened)


class Puts(Workload):
    """Whole lists, put against what was last read: what was read and is not in it is removed, what is new is added."""

    name = "puts"

    async def act(self, client: Client) -> None:
        key = self.key(client)
        read = await client.ask("GET", f"/keys/{key}")
        if read.status not in (200, 404):
            return
        before: list[str] = read.json() if read.ok else []
        base = f"?base={read.headers['etag'].strip(chr(34))}" if read.ok else ""
        for element in before:
            self.ledger.saw(element)
        gone = set(client.random.sample(before, 1)) if len(before) > client.random.randrange(20) else set()
        new = client.fresh()
        after = [e for e in before if e not in gone]
        after.insert(client.random.randint(0, len(after)), new)
        # Without a base all that this colo shows by then would count as read.
        answer = await client.ask("PUT", f"/keys/{key}{base}", after, {} if read.ok else {"if-none-match": "*"})
        self.ledger.add(new, answer.happened)
        for element in gone:
            self.ledger.remove(element, answer.happened)


class Counts(Workload):
    """Increments with idempotency keys, tried again at any colo until one has said yes: each counts once."""

    name = "counts"

    def __init__(self) -> None:
        super().__init__()
        self._due: dict[str, list[tuple[str, int, str]]] = {}
        self._sums: Counter[str] = Counter()

    async def act(self, client: Client) -> None:
        due = self._due.setdefault(client.name, [])
        if len(due) < 20:
            due.append((self.key(client), client.random.randint(-3, 5), client.fresh()))
        await self._try(client, due)

    async def settle(self, client: Client) -> None:
        due = self._due.get(client.name, [])
        for _ in range(10 * len(due)):
            if due:
                await self._try(client, due)
        self.wrong += [f"{id} never got an answer" for _, _, id in due]

    async def _try(self, client: Client, due: list[tuple[str, int, str]]) -> None:
        key, by, id = due.pop(0)
        body = {"op": "increment", "by": by, "idempotency_key": id}
        answer = await client.ask("POST", f"/keys/{key}/operations", body, colo=client.elsewhere())
        if answer.ok:
            self._sums[key] += by
            self.ledger.add(id, "yes")
        else:
            due.append((key, by, id))

    def judge(self, shown: Mapping[str, Any]) -> list[str]:
        mine = self.mine(shown)
        return self.wrong + [
            f"{key} is {mine.get(key, 0)}, and was counted to {total}"
            for key, total in self._sums.items()
            if mine.get(key, 0) != total
        ]


class Sets(Workload):
    """A set: what somebody who saw it removed stays away, all else stands."""

    name = "sets"

    async def act(self, client: Client) -> None:
        key = self.key(client)
        path = f"/keys/{key}/operations"
        if client.random.random() < 0.6:
            element = client.fresh()
            answer = await client.ask("POST", path, {"op": "add", "value": element})
            self.ledger.add(element, answer.happened)
            return
        read = await client.ask("GET", f"/keys/{key}")
        if read.ok and (found := read.json()):
            element = client.random.choice(found)
            self.ledger.saw(element)
            # Without the session a colo that returned in between does not know yet what is to be removed.
            session = {"crdtkv-session": read.headers["crdtkv-session"]}
            answer = await client.ask("POST", path, {"op": "remove", "value": element}, session)
            self.ledger.remove(element, answer.happened)


class Documents(Workload):
    """A document: a member for each client, patched at its home, and an array that all append to."""

    name = "documents"

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, str], list[int]] = {}

    async def act(self, client: Client) -> None:
        key = self.key(client)
        if client.random.random() < 0.5:
            element = client.fresh()
            body = {"op": "append", "path": "/items", "value": element}
            answer = await client.ask("POST", f"/keys/{key}/operations", body)
            self.ledger.add(element, answer.happened)
            return
        client.made += 1
        patch = {"of": {client.name: {"n": client.made}}}
        headers = {"content-type": "application/merge-patch+json"}
        answer = await client.ask("PATCH", f"/keys/{key}", patch, headers)
        possible = self._last.setdefault((key, client.name), [])
        if answer.happened == "yes":
            possible.clear()
        if answer.happened != "no":
            possible.append(client.made)

    def judge(self, shown: Mapping[str, Any]) -> list[str]:
        mine = self.mine(shown)
        wrong = self.wrong + self.ledger.judge(e for value in mine.values() for e in value.get("items", []))
        for (key, name), possible in self._last.items():
            found = mine.get(key, {}).get("of", {}).get(name, {}).get("n")
            if possible and found not in possible:
                wrong.append(f"{key}/of/{name}/n is {found}, and its only writer wrote {possible} last")
        return wrong


class Keys(Workload):
    """Keys that are made, and deleted by who sees them, at any colo: what was deleted stays away."""

    name = "keys"

    def __init__(self) -> None:
        super().__init__()
        self._living: list[str] = []

    async def act(self, client: Client) -> None:
        if len(self._living) < 30 or client.random.random() < 0.5:
            key = f"keys-{client.fresh()}"
            answer = await client.ask("PUT", f"/keys/{key}", {"made": key})
            self.ledger.add(key, answer.happened)
            self._living.append(key)
            return
        key = self._living[client.random.randrange(len(self._living))]
        answer = await client.ask("DELETE", f"/keys/{key}", colo=client.elsewhere())
        if answer.ok and "_" not in answer.json()["version"]:
            return  # it is not there yet: nothing was deleted
        if answer.happened == "yes":
            self.ledger.saw(key)
            if key in self._living:
                self._living.remove(key)
        self.ledger.remove(key, answer.happened)

    def judge(self, shown: Mapping[str, Any]) -> list[str]:
        return self.wrong + self.ledger.judge(self.mine(shown))


class Transactions(Workload):
    """Two keys that are put in one transaction, and read in one: never one without the other."""

    name = "transactions"

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    async def act(self, client: Client) -> None:
        key = self.key(client)
        pair = [f"{key}-{side}" for side in "ab"]
        if client.random.random() < 0.5:
            await self._look(client, pair)
            return
        name = client.fresh()
        writes = [{"op": "put", "key": key, "value": name, "strategy": "lww"} for key in pair]
        writes += [{"op": "put", "key": f"transactions-each-{name}-{side}", "value": name} for side in "ab"]
        answer = await client.ask("POST", "/transactions", {"writes": writes})
        self.ledger.add(name, answer.happened)

    async def _look(self, client: Client, pair: list[str]) -> None:
        read = await client.ask("POST", "/get", {"keys": pair}, colo=client.elsewhere())
        if read.ok:
            self.reads += 1
            entries = read.json()["entries"]
            found = [entries[key] and entries[key]["value"] for key in pair]
            if found[0] != found[1]:
                self.wrong.append(f"a transaction was seen in part: {pair} read {found}")

    def judge(self, shown: Mapping[str, Any]) -> list[str]:
        mine = self.mine(shown)
        each = {key: value for key, value in mine.items() if key.startswith("transactions-each-")}
        sides = [{value for key, value in each.items() if key.endswith(side)} for side in ("-a", "-b")]
        wrong = self.wrong + self.ledger.judge(sides[0])
        if sides[0] != sides[1]:
            wrong.append(f"transactions are there in part: {sorted(sides[0] ^ sides[1])[:5]}")
        for n in range(KEYS):
            a, b = (mine.get(f"transactions-{n}-{side}") for side in "ab")
            if a != b:
                wrong.append(f"transactions-{n} is {a} and {b}")
        return wrong


class Sessions(Workload):
    """What a client wrote at home it reads elsewhere with its session token: that, or "try again"."""

    name = "sessions"

    def __init__(self) -> None:
        super().__init__()
        self.read = self.waited = 0

    async def act(self, client: Client) -> None:
        key = f"sessions-{client.name}"
        client.made += 1
        wrote = await client.ask("PUT", f"/keys/{key}", client.made)
        if not wrote.ok:
            return
        there = client.elsewhere()
        read = await client.ask(
            "GET", f"/keys/{key}", headers={"crdtkv-session": wrote.headers["crdtkv-session"]}, colo=there
        )
        if read.ok:
            self.read += 1
            if read.json() < client.made:
                self.wrong.append(
                    f"{client.name} wrote {client.made} and read {read.json()} at {there} with its session"
                )
        elif read.status == 404:
            self.wrong.append(f"{client.name} wrote {client.made} and read nothing at {there} with its session")
        elif read.status == 503:
            self.waited += 1

    def judge(self, shown: Mapping[str, Any]) -> list[str]:
        return self.wrong


ALL: tuple[type[Workload], ...] = (Appends, Puts, Counts, Sets, Documents, Keys, Transactions, Sessions)
