"""The swarm: many small worlds full of chance, each held to what must be true of every world.

:mod:`~emulator.swarm.play` makes a world from a seed and lets things happen in it; :mod:`~emulator.swarm.invariants` looks at it
meanwhile and at its end. A seed says all: the same one gives the same world, the same faults, the same findings.
"""
