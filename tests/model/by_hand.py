"""Runs that random seeds hardly meet, told step by step: each must hold, and fail where its guard is broken."""

from tests.model.conflicts import remember, yields
from tests.model.guards import BROKEN
from tests.model.members_world import MembersWorld

__all__ = ["STORIES", "tell"]


def tell(guard, broken=()):
    """The story of a guard; AssertionError with what differed."""
    BROKEN.clear()
    BROKEN.update(broken)
    try:
        STORIES[guard](*_three())
    finally:
        BROKEN.clear()


def _three():
    """A world of three colos or more, all of whom have met; messages go where the story says."""
    world = MembersWorld(0)
    world.rnd.random = lambda: 1.0
    for _ in range(3):
        world.everybody()
    return world, *world.colos[:3]


def _meet(world, source, *targets):
    """What `source` has reaches the targets, later than all before."""
    world.t += 10
    for target in targets:
        assert target.absorb(source.tell(target.st.vector))
        world.check(target)


def _write(colo, value):
    """An element is added, or removed, where removes win."""
    colo.commit([("d0", lambda d: d.element("rw", 0, value))])


def a_copy_is_no_member_by_what_it_was(world, a, b, c):
    """c hears of a's delete, says so, and is put back to what it was before. b, which knows of no delete, takes it in.
    Then a hears that b knows of it too, and forgets it. What c adds now has not seen it."""

    _write(a, 1)
    for _ in range(2):
        world.everybody()
    c.copy()
    _write(a, None)
    _meet(world, a, c)
    for other in world.colos[1:]:
        if other is not c:
            _meet(world, other, c)
    _meet(world, c, a)
    c.restore()
    c.renew(b)
    _write(c, 2)
    for other in world.colos[1:]:
        if other is not c:
            _meet(world, a, other)
            _meet(world, other, a)
    world.purge(a)
    _meet(world, c, a, b)
    world.settle()


def what_is_forgotten_all_have_of_the_evicted_too(world, a, b, c):
    """c deleted, which b knows; a, which does not, evicts c. All know of that; a has not what c wrote. Were it
    forgotten at b, what a adds now would stand there, and be beaten where the delete is."""
    rest = [o for o in world.colos if o not in (a, c)]
    _write(a, 1)
    for _ in range(2):
        world.everybody()
    _write(c, None)
    for o in rest:
        _meet(world, o, a)
    a.evict(c.name)
    for o in rest:
        _meet(world, c, o)
    for _ in range(2):
        for o in rest:
            _meet(world, a, o)
            for other in rest:
                if other is not o:
                    _meet(world, other, o)
    world.purge(b)
    _write(a, 2)
    for o in rest:
        _meet(world, a, o)
    world.settle()


def what_is_made_anew_does_not_stand_where_the_old_was_moved_to(world, a, b, c):
    """c moves an element while a takes it out; a forgets both, then puts it in again, and tells the others."""
    _list(world, a, 0, 1)
    c.commit([("d0", lambda d: d.move(_order(0), 9))])
    a.commit([("d0", lambda d: d.element("list", 0, None))])
    _stable(world)
    world.purge(a)
    a.commit([("d0", lambda d: d.element("list", 0, 7))])
    _meet(world, a, b, c)


def what_a_sweep_took_comes_back_to_where_it_was_moved(world, a, b, c):
    """c moves an element, which all but a hear; a, which takes the list, must not forget that: the others edit it."""
    rest = [o for o in world.colos if o is not a]
    _list(world, a, 0, 1)
    c.commit([("d0", lambda d: d.move(_order(0), 9))])
    for source in (c, a, *rest):
        _meet(world, source, *(o for o in rest if o is not source))
    a.commit([("d0", lambda d: d.sweep("list"))])
    for o in rest:
        _meet(world, o, a)
    world.purge(a)
    b.commit([("d0", lambda d: d.element("list", 0, 5))])
    _meet(world, b, a)
    _meet(world, a, b)


def a_move_that_says_nothing_is_forgotten_beside_what_stands(world, a, b, c):
    """a moves an element and removes it, b edits it: it stands, and nothing is kept of where it was moved."""
    _list(world, a, 0, 1)
    a.commit([("d0", lambda d: d.move(_order(0), 9))])
    a.commit([("d0", lambda d: d.element("list", 0, None))])
    b.commit([("d0", lambda d: d.element("list", 0, 5))])
    _stable(world)
    assert _order(0) in a.st.cells["d0"]
    world.purge(a)
    assert a.st.cells["d0"].keys() == {("list", ("e", 0)), ("list", ("e", 1))}


def who_takes_a_list_by_an_old_base_ends_its_moves(world, a, b, c):
    """All have heard of c's move; a takes the list as a client had read it before. b edits what it shows there."""
    rest = [o for o in world.colos if o is not a]
    _list(world, a, 0, 1)
    before = a.st.base(world.keys)
    c.commit([("d0", lambda d: d.move(_order(0), 9))])
    _stable(world)
    a.commit([("d0", lambda d: d.sweep("list"))], before)
    for o in rest:
        _meet(world, o, a)
    world.purge(a)
    b.commit([("d0", lambda d: d.element("list", 0, 5))])
    _meet(world, b, a)
    _meet(world, a, b)


def _beside_a_remove(world, a, b, c, take, finish):
    """b puts an element in again, c removes it; a hears of b's alone before it does `take`, and of c's after; then it
    finishes, and forgets what all know of. b, which has heard of c's and of nothing that a did, removes what it read.
    Then each hears, by records, what the other wrote."""
    rest = [o for o in world.colos if o is not a]
    for value in (1, 2):
        (a if value == 1 else b).commit([("d0", lambda d, value=value: [d.element("aw", e, value) for e in (0, 1)])])
        if value == 1:
            a.commit([("d0", lambda d: d.put_leaf("lww", 1))])  # the key stays present all the while
            for _ in range(2):
                world.everybody()
    _meet(world, b, a)
    read = b.st.base(world.keys)
    c.commit([("d0", lambda d: d.element("aw", 0, None))])
    for o in rest:
        _meet(world, c, *(other for other in rest if other not in (o, c)))
    world.t += 20
    for o in rest:
        _meet(world, a, o)
        _meet(world, o, *(other for other in rest if other is not o))
    records = take()
    for o in rest:
        _meet(world, o, a)
    records += finish()
    world.purge(a)
    assert a.st.S, "nothing is stable"
    removed = b.commit([("d0", lambda d: d.element("aw", 0, None))], read)
    for record in records:
        b.st.receive(record, b.wall())
    a.st.receive(removed, a.wall())
    _meet(world, a, b)
    assert (a.st.vector, a.st.S) == (b.st.vector, b.st.S)


def what_a_sweep_had_not_seen_is_said_by_the_next(world, a, b, c):
    """a takes the set twice, at last as it was when it had not heard of the remove."""
    bases = []

    def take():
        wrote = [a.commit([("d0", act)]) for act in (lambda d: d.sweep("aw"), lambda d: d.element("aw", 2, 1))]
        bases.append(a.st.base(world.keys))
        return wrote

    _beside_a_remove(world, a, b, c, take, lambda: [a.commit([("d0", lambda d: d.sweep("aw"))], *bases)])


def who_sweeps_by_an_old_base_ends_what_is_left(world, a, b, c):
    """a has heard of the remove, and takes the set as it was before."""
    bases = []

    def take():
        bases.append(a.st.base(world.keys))
        return []

    _beside_a_remove(world, a, b, c, take, lambda: [a.commit([("d0", lambda d: d.sweep("aw"))], *bases)])


def who_sweeps_by_an_old_base_says_what_he_knew(world, a, b, c):
    """c removes an element, and all know that; a forgets it, and b takes the set as it was before."""
    rest = [o for o in world.colos if o is not a]
    a.commit([("d0", lambda d: [d.element("aw", e, 1) for e in (0, 1)])])
    for _ in range(2):
        world.everybody()
    before = b.st.base(world.keys)
    c.commit([("d0", lambda d: d.element("aw", 0, 2))])
    c.commit([("d0", lambda d: d.element("aw", 0, None))])
    _stable(world)
    world.purge(a)
    assert a.st.S, "nothing is stable"
    a.st.receive(b.commit([("d0", lambda d: d.sweep("aw"))], before), a.wall())
    for o in rest:
        _meet(world, a, o)
    for o in rest:
        _meet(world, o, *(other for other in world.colos if other is not o))


def who_was_admitted_elsewhere_is_taken_for_its_sponsor(world, a, b, c):
    """a evicts c, which comes back by a under a new name. b, which has heard of neither, takes what it writes."""
    a.evict(c.name)
    c.join(a)
    name = c.st.rid
    _write(c, 1)
    world.meet(b, c)
    assert c.st.rid == name, ("returned for nothing", name, c.st.rid)
    _meet(world, c, b)
    world.settle()


def _list(world, colo, *elements):
    colo.commit([("d0", lambda d: [d.element("list", e, 1) for e in elements])])
    for _ in range(2):
        world.everybody()


def what_was_decided_after_what_is_overruled_falls_with_it(world, a, b, c):
    """a and b evict each other; a goes on to evict c, too, and b overrules what it knows of that: a has to return."""
    a.evict(b.name)
    b.evict(a.name)
    for one, other in ((a, b), (b, a)):
        remember(one.st, other.st)
    a.evict(c.name)
    b.resolve()
    assert yields(a.st, b.st) and not yields(b.st, a.st)


def who_sided_with_what_is_overruled_is_refused(world, a, b, c):
    """b evicts f, which c hears, and then a; a is picked, and has not evicted c, whose cells would evict f yet."""
    f = world.colos[3]
    a.evict(b.name)
    b.evict(f.name)
    _meet(world, b, c)
    b.evict(a.name)
    remember(a.st, b.st)
    a.resolve()
    assert not a.absorb(c.tell(a.st.vector)) and f.st.rid in a.st.members()
    world.settle()


def what_was_removed_is_not_back_with_who_wrote_it(world, a, b, c):
    """b adds an element, which c removes; a, which has heard of neither, evicts both. c comes back; all forget; b comes
    back."""
    rest = [o for o in world.colos if o not in (b, c)]
    b.commit([("d1", lambda d: d.element("aw", 0, 1))])
    _meet(world, b, c)
    c.commit([("d1", lambda d: d.element("aw", 0, None))])
    for o in (b, c):
        a.evict(o.name)
    for back in (c, b):
        back.join(a)
        for _ in range(4):
            world.t += 20
            _together(world, [*rest, *([c] if back is c else [b, c])])
        for o in rest:
            world.purge(o)
    assert not any(o.st.visible("d1") for o in rest), [o.st.visible("d1") for o in rest]
    world.settle()


def _together(world, colos):
    for x in colos:
        for y in colos:
            if x is not y:
                _meet(world, x, y)
                y.remint()


def _order(element):
    return ("list", ("a", element))


def _stable(world):
    """What was written by now is known by all to be known by all."""
    for _ in range(2):
        world.t += 20
        world.everybody()


STORIES = {
    "remint-taken": what_was_removed_is_not_back_with_who_wrote_it,
    "accepts-sponsor": who_was_admitted_elsewhere_is_taken_for_its_sponsor,
    "accepts-unknown": who_was_admitted_elsewhere_is_taken_for_its_sponsor,
    "copy-sponsored": a_copy_is_no_member_by_what_it_was,
    "facts-retired": what_is_forgotten_all_have_of_the_evicted_too,
    "sweep-settled": what_a_sweep_took_comes_back_to_where_it_was_moved,
    "order-empty": a_move_that_says_nothing_is_forgotten_beside_what_stands,
    "accepts-overruled": who_sided_with_what_is_overruled_is_refused,
    "yields-undone": what_was_decided_after_what_is_overruled_falls_with_it,
    "order-ship": what_is_made_anew_does_not_stand_where_the_old_was_moved_to,
    "sweep-knew": who_sweeps_by_an_old_base_says_what_he_knew,
    "sweep-rest": who_sweeps_by_an_old_base_ends_what_is_left,
    "sweep-stood": what_a_sweep_had_not_seen_is_said_by_the_next,
    "sweep-orders": who_takes_a_list_by_an_old_base_ends_its_moves,
}
