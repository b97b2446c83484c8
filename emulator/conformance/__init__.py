"""Conformance with published test messages, in three steps, so that what answers never sees what is expected.

:mod:`~emulator.conformance.cases` notes per case its request and only what a request cannot carry;
:mod:`~emulator.conformance.produce` builds the messages from that; :mod:`~emulator.conformance.compare` compares them with the
published ones.
"""
