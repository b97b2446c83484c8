"""What a device does by itself at a time: the end of a limit, the return of the supply."""

from collections.abc import Callable, Mapping

from emulator.premises.context import Context
from emulator.premises.state import DeviceState, Timer

Run = Callable[[Context, DeviceState, Timer, int], None]
"""Does what is due: ``(context, device, timer, now_ms)``."""


def start(context: Context, device: DeviceState, what: str, at_ms: int, subject: int = 0) -> None:
    """Let something be done at a simulated time; the same kind for the same subject is put off or brought forward."""
    timer = Timer(context.number(), what, at_ms, subject)
    device.timers[f"{what} {subject}"] = timer
    context.agenda.schedule(at_ms, "device.timer", device.eui, timer.number)


def stop(device: DeviceState, what: str, subject: int = 0) -> None:
    """Let it not be done."""
    device.timers.pop(f"{what} {subject}", None)


def again(context: Context, device: DeviceState, now_ms: int) -> None:
    """The device has power again: what should have been done meanwhile is done now."""
    for timer in device.timers.values():
        context.agenda.schedule(max(now_ms, timer.at_ms), "device.timer", device.eui, timer.number)


def due(context: Context, device: DeviceState, number: int, now_ms: int, runs: Mapping[str, Run]) -> None:
    """The time has come; nothing happens where it was stopped or started anew, or the device has no power."""
    key = next((key for key, timer in device.timers.items() if timer.number == number), None)
    if key is None or not context.rows.powered(device.eui) or context.rows.dead(device.eui):
        return
    timer = device.timers.pop(key)
    runs[timer.what](context, device, timer, now_ms)
