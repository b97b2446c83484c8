"""DUIS XML to typed messages and back: safe parse, schema, signature, decode, encode. Knows nothing of devices or of the DSP."""
