"""Members: who accepts whom, the acts of operators, conflicts and who yields."""

from __future__ import annotations

import crdtkv
from crdtkv.core import views
from crdtkv.core.wire import CatchUp, decode, encode
from crdtkv.errors import MembershipConflict
from crdtkv.gossip import meeting
from crdtkv.replica import exchange, life, members, purge
from crdtkv.strategies.set import Set
from tests.colos import Colos, Disks, arrive, cells, cut, outbox, record, refuses, shows
from tests.guards.mutation import Both, Line, guards


def at(kv: crdtkv.Store) -> list[str]:
    """The colos of the members known to `kv`."""
    return [members.colo_of(m) for m in kv.members]


def link_of(kv: crdtkv.Store, origin: crdtkv.Store) -> str:
    """The link of an open fork that `origin` minted."""
    return next(link for fork in kv.forks for link in fork if link.startswith(f"{origin.id}."))


def viewed(data: bytes, **parts: object) -> bytes:
    """A catch-up of somebody who sees things otherwise."""
    message = decode(data)
    assert isinstance(message, CatchUp)
    return encode(message._replace(**parts))


# who accepts whom


@guards(
    "A catch-up is taken iff each accepts the other, a record iff its origin is a member",
    Line(members.may_write, "if is_member(replica, origin):", "if True:"),
    Line(members.may_speak, "accepts(mine, theirs) and accepts(theirs, mine)", "accepts(theirs, mine)"),
)
def who_was_evicted_is_not_heard() -> None:
    """Case 42: e's 7 is older than a delete that all members have forgotten."""
    for how in ("record", "catch-up"):
        colos = Colos("a", "b", "e")
        a = colos["a"]
        a.put("k", 1, strategy="lww")
        colos.meet()
        e = colos.pop("e")
        seven = record(e, lambda kv: kv.put("k", 7))
        colos.clock.wait(1)
        a.delete("k")
        a.evict("e")
        colos.purge()
        assert cells(a, "k") == 0
        arrive(a, seven if how == "record" else cut(e, a))
        assert shows(a, "k") is None
        colos["e"] = e
        colos.meet()
        assert colos.read("k") is None and [c.value for c in e.conflicts()] == [7]


@guards(
    "A catch-up is taken iff each accepts the other",
    Both(
        Line(members.may_speak, "accepts(mine, theirs) and accepts(theirs, mine)", "accepts(mine, theirs)"),
        Line(exchange.absorb, "_check_standing(replica)", "pass"),
    ),
)
def who_counts_me_no_more_tells_me_nothing() -> None:
    """a has evicted e, who has not heard of it: e would absorb what a minted for those who know, and is to return."""
    colos = Colos("a", "b", "e")
    a, e = colos["a"], colos["e"]
    a.evict("e")
    a.put("k", 1)
    arrive(e, cut(a, e))
    assert shows(e, "k") is None and e.id in e.members
    name = e.id
    colos.meet()
    assert e.id != name and colos.read("k") == 1


@guards(
    "(or it is the first of an id and retires a member of its colo)",
    Line(members.may_write, "return n == 1 and any(", "return False and any("),
    Line(members.may_write, "return n == 1 and any(", "return n == 1 or any("),
    Line(members.may_write, "colo_of(id) == colo_of(origin) and", ""),
)
def a_new_name_is_taken_from_who_bore_the_old_one() -> None:
    """b's clock is mended, and its first record says who it is now; a stranger's first record is refused."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    b.put("k", 1)
    colos.meet()
    colos.clock.ahead["b"] = -3600
    out = outbox(b)
    b.put("k", 2)
    first, second = out
    other = decode(first)._replace(dot=("z~aaaa", 1))
    assert arrive(a, encode(other)) == "refused"
    assert arrive(a, first) == "absorbed"
    assert arrive(a, second) == "absorbed" and shows(a, "k") == 2
    z = colos.open("z")
    arrive(a, z._replica.recent[0][1])
    assert z.id not in a.vector


@guards(
    "(or it is the first of an id and retires a member of its colo)",
    Line(members.may_write, "and is_member(replica, id) for id in retired", "for id in retired"),
)
def a_new_name_is_no_way_back_in() -> None:
    """b was evicted, has not heard of it, and its clock is mended: under its new name it is as little a member."""
    colos = Colos("a", "b", "c")
    a, b = colos["a"], colos["b"]
    b.put("k", 1)
    colos.meet()
    a.evict("b")
    colos.clock.ahead["b"] = -3600
    b.put("k", 2)
    first = next(data for dot, data in b._replica.recent if dot == (b.id, 1))
    assert arrive(a, first) == "refused" and at(a) == ["a", "c"]


@guards(
    "X accepts Y iff the first of Y's ancestry whose dot X covers is a member at X",
    Line(views.accepts, "for id, joined in theirs.ancestry if covers", "for id, joined in theirs.ancestry[:1] if covers"),
    Line(views.accepts, "if covers(mine.vector, joined)", "if True"),
)
def who_was_away_while_all_others_were_replaced_hears_them() -> None:
    """a's disk is lost, then b's; c knows neither of the new ones, only whom they were sponsored by."""
    colos = Disks("a", "b", "c")
    c = colos.pop("c")
    colos.wipe("a")
    colos.meet()
    colos["a"].put("k", 1)
    colos.meet()
    arrive(c, viewed(cut(colos["a"], c), lineage=("q~aaaa",)))
    assert shows(c, "k") == 1 and at(c) == ["a", "b", "c"]


@guards(
    "X accepts Y iff the first of Y's ancestry whose dot X covers is a member at X",
    Line(views.accepts, "return next(known, False)", "return any(known)"),
)
def whose_first_known_sponsor_is_out_is_out() -> None:
    """Case 57: c, whom a sponsored, sponsors d; a evicts c: that a itself is a member does not help d."""
    colos = Colos("a", "b")
    a = colos["a"]
    c = colos.open("c")
    c.sync(a)
    d = colos.open("d")
    d.sync(c)
    d.put("k", 1)
    a.evict("c")
    assert arrive(a, cut(d, a)) == "refused"
    name = d.id
    colos.meet()
    assert d.id != name and colos.read("k") == 1 and at(a) == ["a", "b", "c", "d"]


@guards(
    "and X counts no other id of Y's colo that is not in Y's lineage",
    Line(views.accepts, "or _has_rival(mine, theirs)", ""),
)
def who_stands_beside_another_of_its_colo_returns() -> None:
    """d joined through a and lost its disk; c, who knows that d, meets the new one before anybody has told it."""
    colos = Disks("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    colos.open("d").sync(a)
    c.sync(a)
    d = colos.wipe("d")
    d.sync(b)
    assert arrive(c, cut(d, c)) == "refused"
    colos.meet()
    assert [at(kv) for kv in colos.values()] == [["a", "b", "c", "d"]] * 4


@guards(
    "Of two standing ids of one colo the one added later (stamp, dot) is the member; the other is a ghost",
    Line(members.members, "frozenset(_last_of_each_colo(replica))", "standing(replica)"),
)
def a_disk_that_was_lost_before_anyone_knew_it_is_not_waited_for() -> None:
    """d joins through a, loses its disk, and joins through b, who had not heard of it."""
    colos = Disks("a", "b")
    colos.open("d").sync(colos["a"])
    colos.wipe("d").sync(colos["b"])
    colos["a"].sync(colos["b"])
    assert at(colos["a"]) == ["a", "b", "d"]
    colos["a"].put("k", 1)
    colos["a"].delete("k")
    colos.purge()
    assert cells(colos["a"], "k") == 0


@guards(
    "It counts for nothing, and any member takes it out.",
    Line(life.retire_ghosts, "if ghosts:", "if False:"),
)
def a_ghost_is_taken_out() -> None:
    colos = Disks("a", "b")
    colos.open("d").sync(colos["a"])
    colos.wipe("d").sync(colos["b"])
    colos.purge()
    assert all(len(members.standing(kv._replica)) == 3 for kv in colos.values())


@guards(
    "A sponsor removes with its admission every other id of that colo, known or not.",
    Line(life._admit_new, "if colo_of(id) == colo_of(new)}", "if False}"),
)
def who_joins_anew_takes_the_place_of_what_it_was() -> None:
    """Case 5: b's disk is lost; it joins again: one b is left in the set."""
    colos = Disks("a", "b")
    colos.wipe("b")
    colos["b"].sync(colos["a"])
    assert len(members.standing(colos["a"]._replica)) == 2


@guards(
    "and neither if it would leave its receiver no member in its own view, or knowing an act that was overruled",
    Line(exchange._absorb_record, "_check_standing(replica)", "pass"),
    Line(members.stands, "is_member(replica, replica.state.id) and", ""),
)
def a_record_that_evicts_its_receiver_is_not_taken() -> None:
    """So every replica counts itself until it has left, and can take in those that have to return."""
    colos = Colos("a", "b", "c")
    a, b = colos["a"], colos["b"]
    eviction = record(b, lambda kv: kv.evict("a"))
    assert arrive(a, eviction) == "refused" and a.id in a.members
    a.put("k", 1)
    colos.meet()
    assert colos.read("k") == 1


@guards(
    "and neither if it would leave its receiver no member in its own view, or knowing an act that was overruled",
    Line(exchange.absorb, "_check_standing(replica)", "pass"),
)
def a_catch_up_that_evicts_its_receiver_is_not_taken() -> None:
    """c has heard of b's eviction of a, and does not say so: a takes nothing that would leave it out."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    b.evict("a")
    arrive(c, cut(b, c))
    told = viewed(cut(c, a), members=tuple(a.members))
    assert arrive(a, told) == "refused" and a.id in a.members


@guards(
    "A remove-wins set of replica ids, in a system key. An id is added once",
    Line(Set.shows, "how = any if self.add_wins else all", "how = any"),
)
def who_is_evicted_is_out_whoever_makes_it_a_member_meanwhile() -> None:
    colos = Colos("a", "b", "e")
    a, b, e = colos["a"], colos["b"], colos["e"]
    a.evict("e")
    life.transact(b._replica, lambda draft: life._admit(draft, e.id))
    a.sync(b)
    assert at(a) == at(b) == ["a", "b"]


# the acts of operators


@guards(
    "`after`: the last acts known where it was decided",
    Line(life._decide, "after = members.heads(members.chain_links(replica))", "after = []"),
)
def what_was_decided_after_an_act_that_is_overruled_falls_with_it() -> None:
    """c has heard of b's eviction of a, and evicts d; a, which is picked, has heard of b's act only: c returns too."""
    colos = Colos("a", "b", "c", "d")
    a, b, c = colos["a"], colos["b"], colos["c"]
    a.evict("b")
    b.evict("a")
    arrive(c, cut(b, c))
    a.sync(b)
    a.resolve(link_of(a, a))
    c.evict("d")
    name = c.id
    c.sync(a)
    assert c.id != name and a.forks == []
    colos.meet()
    assert [at(kv) for kv in colos.values()] == [["a", "b", "c", "d"]] * 4


@guards(
    "A catch-up is taken iff each accepts the other",
    Line(life._decide, "_retire(draft, (m for m in", "_retire(draft, (m for m in () if m in"),
)
def who_is_evicted_is_no_member() -> None:
    """Case 27: purging goes on without it."""
    colos = Colos("a", "b", "c")
    a = colos["a"]
    colos.pop("c")
    a.put("k", 1)
    a.delete("k")
    a.evict("c")
    colos.purge()
    assert at(a) == ["a", "b"] and cells(a, "k") == 0


# conflicts


def halves() -> tuple[Colos, crdtkv.Store, crdtkv.Store]:
    """a and b have evicted each other, and have met since."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("left", 1)
    a.put("gone", 1)
    colos.meet()
    a.delete("gone")
    a.evict("b")
    b.put("right", 1)
    b.evict("a")
    a.sync(b)
    return colos, a, b


@guards(
    "While one is open nothing is purged here, and nobody evicts.",
    Line(purge.stable, "members.forked(replica) or", ""),
    Line(life.evict, "if members.forked(replica):", "if False:"),
)
def while_two_halves_evict_each_other_nothing_is_forgotten_and_nobody_is_evicted() -> None:
    """Case 56."""
    colos, a, _ = halves()
    colos.purge()
    assert cells(a, "gone") == 1
    c = colos.open("c")
    c.sync(a)
    assert refuses(MembershipConflict, lambda: a.evict("c"))
    a.resolve(link_of(a, a))
    colos.meet()
    assert colos.read("left") == colos.read("right") == 1


@guards(
    "Conflict: neither yields.",
    Line(members.yields, "{link.id for link in _unknown(one, other)} <= over", "True"),
)
def while_two_halves_evict_each_other_nobody_returns() -> None:
    colos, a, b = halves()
    ids = a.id, b.id
    colos.meet()
    assert (a.id, b.id) == ids and a.forks and b.forks


@guards(
    "Both remember it durably",
    Line(members.remember_fork, "replica.state.forks = [*others, fork]", "pass"),
)
def a_conflict_is_known_as_long_as_it_stands() -> None:
    """To each alone its own eviction is the only one; a, told of b's, still does not purge by itself."""
    colos = Disks("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("gone", 1)
    colos.meet()
    a.delete("gone")
    a.evict("b")
    b.evict("a")
    a.sync(b)
    del colos["b"]
    a = colos.open("a")
    colos.purge()
    assert a.forks and cells(a, "gone") == 1


@guards(
    "every act that X knows and Y has not absorbed is overruled at Y",
    Line(members.yields, "<= over", "< set()"),
    Line(members.overruled, "for id in link.over}", "for id in ()}"),
)
def of_two_halves_the_one_that_lost_returns() -> None:
    """And keeps what it wrote; the other keeps its name."""
    colos, a, b = halves()
    ids = a.id, b.id
    a.resolve(link_of(a, a))
    colos.meet()
    assert a.id == ids[0] and b.id != ids[1] and a.forks == b.forks == []
    assert colos.read("right") == 1 and [at(kv) for kv in (a, b)] == [["a", "b"]] * 2
    colos.check()


@guards(
    "and Y covers no act that X knows to be overruled",
    Both(
        Line(views.accepts, "any(covers(theirs.vector, link) for link in mine.overruled) or", ""),
        Line(members.stands, "and not any(covers(vector, link_dot(id)) for id in over)", ""),
    ),
)
def who_sided_with_the_half_that_lost_is_refused_until_it_returns() -> None:
    """b evicts f, which d hears, and then a; a is picked, and has not evicted d: d's cells would evict f after all."""
    colos = Colos("a", "b", "d", "f")
    a, b, d, f = (colos[name] for name in "abdf")
    a.evict("b")
    b.evict("f")
    arrive(d, cut(b, d))
    b.evict("a")
    a.sync(b)
    a.resolve(link_of(a, a))
    assert arrive(a, cut(d, a)) == "refused" and f.id in a.members
    f.put("k", "who has heard of neither is taken")
    assert arrive(a, cut(f, a)) == "absorbed"
    colos.meet()
    assert [at(kv) for kv in colos.values()] == [["a", "b", "d", "f"]] * 4


@guards(
    "`resolve(link)` at a member that knows the link overrules the other side's acts.",
    Line(life.resolve, "if winner not in {link.id for link in members.chain_links(replica)}:", "if False:"),
)
def the_side_of_a_link_is_picked_where_it_is_known() -> None:
    colos, a, b = halves()
    assert refuses(MembershipConflict, lambda: a.resolve(link_of(a, b)))
    b.resolve(link_of(b, b))
    colos.meet()
    assert a.forks == b.forks == [] and [at(kv) for kv in (a, b)] == [["a", "b"]] * 2


@guards(
    "It is over when those acts are overruled or absorbed here, or the other's colo has another member here.",
    Line(members.standing_forks, 'and _seat(replica, fork["peer"]) in ("", fork["seat"])', ""),
)
def a_conflict_ends_when_its_other_side_has_come_back() -> None:
    """b's disk is lost while the conflict is open; it joins anew through c, of which a hears: what it had decided binds
    nobody."""
    colos = Disks("a", "b", "c")
    a, b, c = (colos[name] for name in "abc")
    a.evict("b")
    b.evict("a")
    a.sync(b)
    a.sync(c)
    assert a.forks
    colos.wipe("b").sync(c)
    a.sync(c)
    assert a.forks == []


@guards(
    "iff Y does not accept X, and either X accepts Y",
    Line(members.yields, "return accepts(one.view, other.view) or", "return"),
)
def who_was_evicted_and_has_not_heard_of_it_returns() -> None:
    """e has decided something of its own meanwhile, which nobody overruled."""
    colos = Colos("a", "b", "e")
    a, e = colos["a"], colos["e"]
    a.evict("e")
    e.evict("b")
    name = e.id
    e.put("k", 1)
    e.sync(a)
    colos.meet()
    assert e.id != name and colos.read("k") == 1


@guards(
    "of two that do not both accept, X (not retired by itself) yields to Y (which counts itself, and is no copy)",
    Line(members.yields, "if one.left or", "if"),
    Line(members.may_speak, "not replica.state.left and", ""),
)
def who_has_left_does_not_come_back_and_takes_nothing_more() -> None:
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    b.leave()
    colos.meet()
    a.put("k", 1)
    colos.meet()
    arrive(b, viewed(cut(a, b), members=(a.id, b.id)))
    assert at(a) == ["a"] and shows(b, "k") is None


@guards(
    "Leave: the last record of an id retires it. It takes nothing more, and does not return",
    Line(life.leave, "replica.state.left = True", "pass"),
)
def who_has_left_is_told_and_stays_away() -> None:
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    name = b.id
    b.put("k", "its last")
    b.leave()
    colos.meet()
    a.put("k", "written since")
    colos.meet()
    assert (b.id, at(a)) == (name, ["a"]) and shows(b, "k") == "its last"


# two namespaces


@guards(
    "who lacks something of its own that the other has joins it",
    Line(meeting.first_to_join, "return behind[0] if behind[0] != behind[1] else", "return"),
)
def a_copy_that_went_on_by_itself_joins_who_knows_more_of_it() -> None:
    """b met a after the copy was made; the copy has written more than both since."""
    colos = Disks("a")
    colos["a"].put("k", 1)
    disk = colos.copy("a")
    colos["a"].put("k", 2)
    b = colos.open("b")
    colos.meet()
    copy, name = colos.put_back("a", disk, elsewhere=True), b.id
    for n in range(20):
        copy.put("copy", n)
    colos.meet()
    assert b.id == name and at(b) == ["a", "b"] and colos.read("k") == 2


@guards(
    "else who has fewer transactions",
    Line(meeting._is_less, "return (sum(one.vector.values()), one.id) <", "return (sum(one.vector.values()), one.id) >"),
)
def of_two_that_hold_data_the_one_with_fewer_writes_joins() -> None:
    many, few = Colos("a"), Colos("b")
    for n in range(3):
        many["a"].put(f"k{n}", n)
    few["b"].put("other", 1)
    name = many["a"].id
    few["b"].sync(many["a"])
    assert many["a"].id == name and shows(many["a"], "other") == 1 and shows(few["b"], "k2") == 2
