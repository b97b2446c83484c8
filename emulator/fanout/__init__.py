"""Where an image moves: WAN queues, hub stores, the HAN, verification and activation, for three devices and for sixty million."""
