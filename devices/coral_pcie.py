"""Coral M.2 and Mini PCIe Accelerators: an Edge TPU on PCI Express."""

from devices import board as b

ACCELERATOR = b.Accelerator(
    name="coral-pcie",
    title="Coral M.2 or Mini PCIe Accelerator",
    kind="edgetpu",
    bus="pcie",
    ids=("1ac1:089a",),
    library="16.0tf2.19.1",
    traps=(
        b.Trap(
            "this version's camera runs models on the host's CPU, compiled ones not yet",
            "convert for the host alone to have no compiled model",
        ),
        b.Trap(
            "it needs the kernel driver gasket/apex, and Google's gasket-dkms does not build for "
            "kernels of today",
            "build the package of https://github.com/jnicolson/gasket-builder for your kernel",
        ),
        b.Trap(
            "/dev/apex_0 belongs to the group apex",
            "sudo usermod -aG apex $USER, then log out and in again",
        ),
        b.Trap(
            "it switches itself off when it is too hot, and then it is gone from the bus",
            "a heat sink and an airflow; its temperature is /sys/class/apex/apex_0/temp",
        ),
    ),
    sources=(
        "https://coral.ai/docs/m2/get-started/",
        "https://coral.ai/docs/m2/datasheet/",
        "https://github.com/feranick/libedgetpu/releases",
        "https://github.com/jnicolson/gasket-builder",
    ),
)
