"""Runs that random seeds hardly meet, told step by step: each must hold, and fail where its guard is broken."""

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


STORIES = {
    "copy-sponsored": a_copy_is_no_member_by_what_it_was,
    "facts-retired": what_is_forgotten_all_have_of_the_evicted_too,
}
