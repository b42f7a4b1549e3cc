#!/usr/bin/env bash
# Run a command beside a camera: tests/v4l2_machine.sh COMMAND...
#
# In a virtual machine with Debian's kernel, whose driver vivid makes /dev/video0 as a webcam is. The
# machine sees the files of this one, read-only; its /tmp is its own. qemu emulates the processor, so
# its times say nothing; ACCEL=kvm is faster where that works. Needs no root. Debian packages:
# qemu-system-x86 busybox-static kmod cpio, and on x86-64 alone.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$PWD/.v4l2-machine
for tool in qemu-system-x86_64 busybox cpio depmod:/sbin/depmod dpkg-deb; do
  command -v "${tool%%:*}" >/dev/null || [ -x "${tool##*:}" ] || {
    echo "v4l2_machine: ${tool%%:*} is missing:" \
      "sudo apt-get install --no-install-recommends qemu-system-x86 busybox-static kmod cpio" >&2
    exit 2
  }
done
PATH=$PATH:/sbin:/usr/sbin

if [ ! -e "$work/initrd" ]; then
  rm -rf "$work"
  mkdir -p "$work/initrd.d/bin"
  image=$(apt-cache depends linux-image-amd64 | awk '/Depends/ {print $2; exit}')
  (cd "$work" && apt-get download -qq "$image" && dpkg-deb -x "$image"_*.deb kernel && rm "$image"_*.deb)
  version=$(ls "$work/kernel/lib/modules")
  ln -sf "kernel/boot/vmlinuz-$version" "$work/vmlinuz"
  depmod -b "$work/kernel" "$version"
  cp "$(command -v busybox)" "$work/initrd.d/bin/busybox"
  # What it takes to see the other machine's files, in the order of loading.
  for module in virtio_pci 9pnet_virtio 9p; do
    modprobe -d "$work/kernel" -S "$version" --show-depends "$module"
  done | awk '$1 == "insmod" && !seen[$2]++ {print $2}' | while read -r file; do
    cp "$file" "$work/initrd.d/"
    echo "/${file##*/}" >>"$work/initrd.d/modules"
  done
  cat >"$work/initrd.d/init" <<'INIT'
#!/bin/busybox sh
b=/bin/busybox
$b mkdir -p /proc /root
$b mount -t proc proc /proc
while read -r file; do $b insmod "$file"; done </modules
$b mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=1048576,cache=loose files /root || $b poweroff -f
$b mount -t proc proc /root/proc
$b mount -t sysfs sys /root/sys
$b mount -t devtmpfs dev /root/dev
$b mkdir -p /root/dev/shm
for place in /root/tmp /root/run /root/dev/shm; do $b mount -t tmpfs tmpfs $place; done
$b mkdir /root/tmp/out
$b mount -t 9p -o trans=virtio,version=9p2000.L out /root/tmp/out
$b chroot /root /bin/bash /tmp/out/run
$b poweroff -f
INIT
  chmod +x "$work/initrd.d/init"
  (cd "$work/initrd.d" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initrd.part"
  mv "$work/initrd.part" "$work/initrd"
fi

out=$work/out
rm -rf "$out"
mkdir "$out"
{
  echo "export PATH=$PATH HOME=/tmp LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 ${CI:+CI=$CI}"
  # One camera with the sizes and rates of a webcam (Documentation/admin-guide/media/vivid.rst).
  echo "modprobe -d $work/kernel vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0x0"
  echo "for _ in \$(seq 50); do [ -e /dev/video0 ] && break; sleep 0.1; done"
  printf 'cd %q\n' "$PWD"
  printf '%q ' "$@"
  echo '; echo $? >/tmp/out/status'
} >"$out/run"

timeout "${LIMIT_S:-900}" qemu-system-x86_64 -machine "q35,accel=${ACCEL:-tcg}" -cpu max -smp 2 -m 2048 \
  -nodefaults -display none -serial stdio -no-reboot \
  -kernel "$work/vmlinuz" -initrd "$work/initrd" -append "console=ttyS0 quiet panic=-1" \
  -virtfs local,path=/,mount_tag=files,security_model=none,readonly=on,multidevs=remap \
  -virtfs "local,path=$out,mount_tag=out,security_model=none" </dev/null
exit "$(cat "$out/status" 2>/dev/null || echo 1)"
