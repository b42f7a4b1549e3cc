"""Coral PCIe and M.2 accelerators: an Edge TPU on a PCI Express lane."""

from devices import board as b

ACCELERATOR = b.Accelerator(
    name="coral-pcie",
    title="Coral PCIe or M.2 Accelerator",
    buses=("pcie",),
    libedgetpu=b.LIBEDGETPU,
    traps=(
        b.COMPILED,
        b.Trap(
            "Google's gasket-dkms does not build on kernels from 6.5 on",
            "the driver of github.com/jnicolson/gasket-builder, then sudo modprobe apex",
        ),
        b.Trap("/dev/apex_0 is root's", "a udev rule for group apex, and the user in that group"),
        b.Trap("an M.2 E socket may carry one lane: the dual card then shows one Edge TPU",
               "read the socket's wiring before buying the dual card"),
    ),
    traps_on={
        "raspberry-pi-5": (
            b.Trap(
                "it stays silent without 32-bit DMA and the older interrupts",
                "dtparam=pciex1, dtoverlay=pciex1-compat-pi5,no-mip and "
                "dtoverlay=pcie-32bit-dma-pi5 in /boot/firmware/config.txt, then reboot",
            ),
            b.Trap("the kernel's pages of 16 KB are more than the driver takes",
                   "kernel=kernel8.img in /boot/firmware/config.txt, then reboot"),
        ),
    },
    sources=(
        "https://coral.ai/docs/m2/datasheet/",
        "https://coral.ai/docs/m2-dual-edgetpu/datasheet/",
        "https://github.com/google-coral/edgetpu/issues/808",
        "https://github.com/raspberrypi/linux/issues/6799 (interrupts on a Pi 5)",
        b.LIBEDGETPU_BUILDS,
        b.LIBEDGETPU_ABI,
    ),
)  # fmt: skip
