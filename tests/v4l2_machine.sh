#!/usr/bin/env bash
# Run a command beside a camera: tests/v4l2_machine.sh COMMAND...
#
# In a virtual machine with Debian's kernel, whose driver vivid makes a webcam's /dev/video0. The
# machine sees the files of this one, read-only; its /tmp is its own. qemu emulates the processor, so
# its times say nothing; ACCEL=kvm is faster where that works. Needs no root, and an x86-64 Debian.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin
work=$PWD/.v4l2-machine

for tool in qemu-system-x86_64 busybox depmod cpio xz; do
  command -v "$tool" >/dev/null || {
    echo "v4l2_machine: $tool is missing: sudo apt-get install --no-install-recommends" \
      "qemu-system-x86 busybox-static kmod cpio xz-utils" >&2
    exit 2
  }
done

# Copies a module and what it needs to a folder; names them in the order of loading.
modules() { # MODULE FOLDER
  modprobe -d kernel -S "$version" --show-depends "$1" | awk '$1 == "insmod" {print $2}' |
    while read -r file; do
      name=$(basename "${file%.xz}")
      [ -e "$2/$name" ] && continue
      case $file in *.xz) xz -dc "$file" >"$2/$name" ;; *) cp "$file" "$2/" ;; esac
      echo "$name" >>"$2/order"
    done
}

make_machine() {
  rm -rf "$work"
  mkdir -p "$work/vivid" "$work/initrd.d"
  cd "$work"
  image=$(apt-cache depends linux-image-amd64 | awk '/Depends/ {print $2; exit}')
  apt-get download -qq "$image"
  dpkg-deb -x "$image"_*.deb kernel
  version=$(ls kernel/lib/modules)
  depmod -b kernel "$version"
  cp "kernel/boot/vmlinuz-$version" vmlinuz
  modules vivid vivid
  for module in virtio_pci 9pnet_virtio 9p; do modules $module initrd.d; done
  rm -r kernel "$image"_*.deb
  cp "$(command -v busybox)" initrd.d/busybox
  cat >initrd.d/init <<'INIT'
#!/busybox sh
b=/busybox
$b mkdir -p /proc /root
$b mount -t proc proc /proc
while read -r module; do $b insmod /$module; done </order
options=trans=virtio,version=9p2000.L,msize=1048576
$b mount -t 9p -o ro,cache=loose,$options files /root || $b poweroff -f
$b mount -t proc proc /root/proc
$b mount -t sysfs sys /root/sys
$b mount -t devtmpfs dev /root/dev
$b mkdir -p /root/dev/shm
for place in dev/shm run tmp; do $b mount -t tmpfs tmpfs /root/$place; done
$b mkdir /root/tmp/out
$b mount -t 9p -o $options out /root/tmp/out
$b chroot /root /bin/bash /tmp/out/run
$b poweroff -f
INIT
  chmod +x initrd.d/init
  (cd initrd.d && find . | cpio -o -H newc --quiet) | gzip -1 >initrd
  echo "$made_by" >made-by
}

made_by=$(sha256sum <"tests/${0##*/}")
[ "$(cat "$work/made-by" 2>/dev/null)" = "$made_by" ] || (make_machine)

out=$work/out
rm -rf "$out"
mkdir "$out"
{
  echo "export PATH=$PATH HOME=/tmp LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 ${CI:+CI=$CI}"
  # One camera with a webcam's sizes and rates (Documentation/admin-guide/media/vivid.rst).
  echo "options='n_devs=1 node_types=0x1 num_inputs=1 input_types=0x0'"
  echo "cd $work/vivid && while read -r m; do insmod \$m \$([ \$m != vivid.ko ] || echo \$options); done <order"
  echo 'for _ in $(seq 50); do [ -e /dev/video0 ] && break; sleep 0.1; done'
  echo '[ -e /dev/video0 ] || exit 1'
  printf 'cd %q\n' "$PWD"
  printf '%q ' "$@"
  echo '; echo $? >/tmp/out/status'
} >"$out/run"

timeout "${LIMIT_S:-900}" qemu-system-x86_64 -machine "q35,accel=${ACCEL:-tcg}" -cpu max -smp 2 \
  -m 2048 -nodefaults -display none -serial stdio -no-reboot \
  -kernel "$work/vmlinuz" -initrd "$work/initrd" -append "console=ttyS0 quiet panic=-1" \
  -virtfs local,path=/,mount_tag=files,security_model=none,readonly=on,multidevs=remap \
  -virtfs "local,path=$out,mount_tag=out,security_model=none" </dev/null
exit "$(cat "$out/status" 2>/dev/null || echo 1)"
