#!/usr/bin/env bash
# A virtual arm64 board: tests/board/board.sh build | up | cut | down | ssh [COMMAND...]
#
# Debian for arm64 with systemd, sshd and a camera at /dev/video0, on a processor that qemu emulates:
# its times say nothing of a real board's. `build` makes its disk (root, some minutes; nothing where
# it is there already), `up` boots a copy, or goes on with the one that `cut` took the power from,
# `down` forgets that copy. BOARD_DIR is where all this stands, PORT where sshd answers on loopback,
# FORWARD=hostfwd=tcp:127.0.0.1:8081-:8080 forwards a further port. From inside, the loopback of
# this machine is 10.0.2.2.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=${BOARD_DIR:-$PWD/.board} port=${PORT:-2222} suite=${SUITE:-bookworm}
PATH=$PATH:/usr/sbin:/sbin
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
made_by="$(sha256sum <"$here/${0##*/}") $suite $(date +%Y-%m)" # what a disk is there for: a month
cd "$dir"
secure="-i $dir/id -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=60 -p $port"

check() { # TOOL:PACKAGE...
  local missing=()
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
  done
  [ "${#missing[@]}" -eq 0 ] || {
    echo "board: missing here: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 2
  }
}

modules() { # MODULE...: their files and those of what they need, in the order of loading
  for module in "$@"; do
    modprobe -d kernel -S "$version" --show-depends "$module" | awk '$1 == "insmod" {print $2}'
  done | awk '!seen[$0]++'
}

# Debian without what a board that is deployed to has no use for, and its kernel in "kernel".
bootstrap() {
  local formats=/proc/sys/fs/binfmt_misc
  [ -e $formats/register ] || mount -t binfmt_misc binfmt_misc $formats 2>/dev/null || {
    echo "board: this kernel runs no programs for arm64, which building its disk takes:" \
      "sudo modprobe binfmt_misc, on the host where this is a container" >&2
    exit 2
  }
  [ -e $formats/qemu-aarch64 ] || cat /usr/lib/binfmt.d/qemu-aarch64.conf >$formats/register
  # shellcheck disable=SC2016
  fetch_kernel='export APT_CONFIG=$MMDEBSTRAP_APT_CONFIG; cd "$1/tmp"
    apt-get download -qq $(apt-cache depends linux-image-arm64 | awk "/Depends/ {print \$2; exit}")
    dpkg-deb -x linux-image-*.deb "'$dir'/kernel"
    rm linux-image-*.deb'
  mmdebstrap --quiet --variant=minbase --arch=arm64 --include="$(printf '%s,' \
    systemd-sysv udev dbus kmod iproute2 procps python3 openssh-server sudo busybox-static)" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt=force-unsafe-io \
    --customize-hook="$fetch_kernel" "$suite" root
  version=$(ls kernel/lib/modules)
  depmod -b kernel "$version"
}

make_initrd() {
  mkdir -p initrd.d/{bin,proc,sys,dev,mnt,m}
  cp root/bin/busybox initrd.d/bin/
  modules virtio_pci virtio_blk ext4 virtio_net virtio_rng | while read -r file; do
    cp "$file" initrd.d/m/
    echo "/m/${file##*/}"
  done >initrd.d/mods
  cat >initrd.d/init <<'INIT'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc; $b mount -t sysfs sys /sys; $b mount -t devtmpfs dev /dev
while read -r module; do $b insmod "$module"; done </mods
$b ip addr add 10.0.2.15/24 dev eth0; $b ip link set eth0 up; $b ip route add default via 10.0.2.2
$b mount -o noatime /dev/vda /mnt
for place in proc sys dev; do $b mount --move /$place /mnt/$place; done
exec $b switch_root /mnt /sbin/init
INIT
  chmod +x initrd.d/init
  (cd initrd.d && find . | cpio -o -H newc --quiet | gzip -1) >initrd
}

# One camera whose picture is what is written to /dev/video1; root and pi may log in by the key.
furnish() {
  modules vivid virtio_rng | while read -r file; do
    install -D "$file" "root/lib/modules/$version/${file#*"$version"/}"
  done
  cp kernel/lib/modules/"$version"/modules.{order,builtin,builtin.modinfo} "root/lib/modules/$version/"
  depmod -b root "$version"
  echo vivid >root/etc/modules-load.d/camera.conf
  echo options vivid n_devs=1 node_types=0x101 num_inputs=1 input_types=0x3 num_outputs=1 \
    output_types=0x1 >root/etc/modprobe.d/camera.conf
  chroot root useradd -m -s /bin/bash -G video,sudo pi
  echo 'pi ALL=(ALL) NOPASSWD: ALL' >root/etc/sudoers.d/pi
  [ -f id ] || ssh-keygen -q -t ed25519 -N '' -C board -f id
  install -D -m 600 id.pub root/root/.ssh/authorized_keys
  install -d -m 700 -o 1000 -g 1000 root/home/pi/.ssh
  install -m 600 -o 1000 -g 1000 id.pub root/home/pi/.ssh/authorized_keys
  echo board >root/etc/hostname
  echo '127.0.0.1 localhost board' >root/etc/hosts
  # What Debian does at hours of its own would be taken for what a deploy left; e2scrub is for LVM.
  for unit in e2scrub_reap.service e2scrub_all.timer fstrim.timer \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer; do
    ln -s /dev/null root/etc/systemd/system/$unit
  done
}

build() {
  [ "$(cat made-by 2>/dev/null)" != "$made_by" ] || return 0
  alone
  check mmdebstrap:mmdebstrap arch-test:arch-test qemu-aarch64-static:qemu-user-static \
    modprobe:kmod cpio:cpio mke2fs:e2fsprogs ssh-keygen:openssh-client
  [ "$(id -u)" -eq 0 ] || { echo "board: building its disk takes root: sudo make board-up" >&2; exit 2; }
  # One that was cut off may have left mounts of this machine's /proc, /sys and /dev.
  rm -rf --one-file-system root kernel initrd.d disk.img run.img
  bootstrap
  make_initrd
  furnish
  cp "kernel/boot/vmlinuz-$version" vmlinuz
  mke2fs -q -t ext4 -d root disk.img 4000M
  rm -rf --one-file-system root kernel initrd.d
  echo "$made_by" >made-by
}

running() { [ -e pid ] && grep -qsF "$dir/run.img" "/proc/$(cat pid)/cmdline"; }

alone() {
  ! running || { echo "board: $dir runs already, process $(cat pid): board.sh down first" >&2; exit 2; }
}

up() {
  alone
  check qemu-system-aarch64:qemu-system-arm ssh:openssh-client
  [ -e run.img ] || {
    build
    cp --sparse=always disk.img run.img
  }
  setsid nohup qemu-system-aarch64 -M virt -cpu "${CPU:-cortex-a72}" -accel tcg,thread=multi -smp 2 \
    -m 2048 -display none -monitor none -serial "file:$dir/serial.log" \
    -kernel vmlinuz -initrd initrd -append 'console=ttyAMA0 quiet net.ifnames=0 panic=10' \
    -drive "file=$dir/run.img,format=raw,if=none,id=disk,cache=writeback" -device virtio-blk-pci,drive=disk \
    -netdev "user,id=net,hostfwd=tcp:127.0.0.1:$port-:22${FORWARD:+,$FORWARD}" \
    -device virtio-net-pci,netdev=net,romfile= -device virtio-rng-pci >qemu.log 2>&1 &
  echo $! >pid
  wait_for_ssh
}

wait_for_ssh() {
  for _ in $(seq 240); do
    # shellcheck disable=SC2086
    ssh $secure root@127.0.0.1 true 2>/dev/null && return 0
    sleep 1 # before the look: qemu may not even have begun yet
    running || { cat qemu.log >&2; return 1; }
  done
  echo "board: no ssh after 240 s: see $dir/serial.log" >&2
  return 1
}

cut() { # no warning, nothing flushed
  ! running || kill -9 "$(cat pid)"
  while running; do sleep 0.1; done
  rm -f pid
}

case ${1:-} in
  build | up | cut) "$1" ;;
  down) cut; rm -f run.img ;;
  # shellcheck disable=SC2086
  ssh) shift; exec ssh $secure root@127.0.0.1 "$@" ;;
  *) sed -n 2,10p "$0" >&2; exit 2 ;;
esac
