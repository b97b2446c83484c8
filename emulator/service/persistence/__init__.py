"""The durable log of a world: inputs, answers and messages as made, delivery outcomes, snapshots, journal."""
