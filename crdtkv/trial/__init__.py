"""A strategy on trial: three colos in a thimble, the laws that every strategy keeps, and worlds drawn at random.

`crdtkv strategies test NAME` and crdtkv's own tests try the same laws. Rule of this room: nothing here
knows what a strategy means (that is for a spec, a second definition, to say); a law says what holds whatever it means.
"""
