"""Coral USB Accelerator: an Edge TPU for any host with a USB port."""

from devices import board as b

ACCELERATOR = b.Accelerator(
    name="coral-usb",
    title="Coral USB Accelerator",
    kind="edgetpu",
    bus="usb",
    # Of its boot loader, and once libedgetpu has loaded its firmware.
    ids=("1a6e:089a", "18d1:9302"),
    library="16.0tf2.19.1",
    traps=(
        b.Trap(
            "this version's camera runs models on the host's CPU, compiled ones not yet",
            "convert for the host alone to have no compiled model",
        ),
        b.Trap("it draws up to 900 mA", "a USB 3 port, or a hub with its own power"),
        b.Trap(
            "on USB 2 it is about half as fast",
            "plug it into a blue port: MobileNet v2 takes 4.55 ms on a Pi 4's, 10.6 ms on USB 2",
        ),
        b.Trap(
            "it changes its USB id at first use, which a udev rule or a container may not follow",
            "allow both 1a6e:089a and 18d1:9302, as the rules of libedgetpu's package do",
        ),
        b.Trap(
            "libedgetpu and the run time must be built from a TensorFlow that fits, or it crashes",
            "edgecnn doctor knows the pairs",
        ),
    ),
    sources=(
        "https://coral.ai/docs/accelerator/datasheet/",
        "https://github.com/feranick/libedgetpu/releases",
        "https://github.com/google-coral/edgetpu/issues/812",
        "pycoral's reference results: MobileNet v2 4.55 ms on a Pi 4 (USB 3), 10.6 ms on a 3B+",
    ),
)

BOARD = b.ANY_HOST + ACCELERATOR
