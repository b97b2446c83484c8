"""The wide-area networks between the DSP and the Communications Hubs."""
