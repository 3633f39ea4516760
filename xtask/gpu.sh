#!/bin/sh
# Tests and measures the GPU backends.
#
#   xtask/gpu.sh build FOLDER             builds what a run needs into FOLDER, at most 64 MiB
#   FOLDER/gpu.sh run RESULT.json [tiny]  runs it there: tests on wgpu and CUDA, then training and scoring with 1, 16 and 256 members
#                                         on each and on all cores of the processor, in at most 10 minutes
#   FOLDER/gpu table RESULT.json          prints the result as Markdown
#
# A run needs no network, no compiler and no source. `tiny` shows in a few seconds that everything works, also on Vulkan's software driver,
# and says nothing about speed. CUDA needs the driver and NVRTC, its compiler, which this script looks for.
set -eu

build() {
    folder=$1
    features='wgpu,cuda'
    cargo build --release --package anoonly-train --features "$features" --example gpu
    tests=$(cargo test --release --package anoonly-train --features "$features" --lib --no-run --message-format=json |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1)
    mkdir -p "$folder"
    cp "${CARGO_TARGET_DIR:-target}/release/examples/gpu" "$folder/gpu"
    cp "$tests" "$folder/gpu-tests"
    strip "$folder/gpu" "$folder/gpu-tests"
    cp "$0" "$folder/gpu.sh"
    # The loader of Vulkan drivers, for machines that have a driver only.
    loader=$(ldconfig -p | sed -n 's/.*libvulkan\.so\.1 .*=> //p' | head -1)
    if [ -n "$loader" ]; then cp "$loader" "$folder/libvulkan.so.1"; fi
    du -sh "$folder"
}

# Part NAME of the run, with LIMIT seconds at most, and no more than are left.
part() {
    name=$1 limit=$2
    shift 2
    left=$((end - $(date +%s)))
    if [ "$limit" -gt "$left" ]; then limit=$left; fi
    if [ "$limit" -lt 5 ]; then
        printf '%s\tout of time\t0\tnot started\n' "$name" >>"$work/parts"
        return
    fi
    began=$(date +%s)
    code=0
    timeout --kill-after=5 "$limit" "$@" >"$work/log" 2>&1 || code=$?
    case $code in
    0) ended=passed ;;
    124 | 137) ended='out of time' ;;
    *) ended=failed ;;
    esac
    said=
    if [ "$ended" != passed ]; then said=$(tail -4 "$work/log" | tr '\t\n' '  ' | cut -c1-600); fi
    if [ "$ended" = failed ]; then tail -40 "$work/log" >&2; fi
    printf '%s\t%s\t%s\t%s\n' "$name" "$ended" $(($(date +%s) - began)) "$said" >>"$work/parts"
    echo "$name: $ended"
}

machine() {
    printf 'machine\t%s\n' "$1" >>"$work/parts"
}

run() {
    result=$1 size=${2:-full}
    folder=$(cd "$(dirname "$0")" && pwd)
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    end=$(($(date +%s) + 580))
    if [ "$size" = tiny ]; then tests='gpu_members::score_as_a_stack' words=tiny; else tests='gpu' words=; fi

    if ! ldconfig -p | grep -q 'libvulkan\.so\.1' && [ -e "$folder/libvulkan.so.1" ]; then
        export LD_LIBRARY_PATH="$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    fi
    # A container may have NVIDIA's driver for Vulkan without the file that names it.
    if ldconfig -p | grep -q 'libGLX_nvidia\.so\.0' && ! ls /usr/share/vulkan/icd.d/nvidia* /etc/vulkan/icd.d/nvidia* >/dev/null 2>&1; then
        printf '{"file_format_version":"1.0.0","ICD":{"library_path":"libGLX_nvidia.so.0","api_version":"1.3.0"}}' >"$work/nvidia.json"
        export VK_ADD_DRIVER_FILES="$work/nvidia.json"
    fi
    nvrtc=$(find / -xdev -name 'libnvrtc.so*' -not -path '/proc/*' 2>/dev/null | head -1 || true)
    if [ -n "$nvrtc" ]; then
        export LD_LIBRARY_PATH="$(dirname "$nvrtc")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    fi

    machine "$(date -u '+%Y-%m-%d %H:%M UTC'), sizes: $size"
    machine "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores"
    card=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null || true)
    machine "${card:-no graphics card of NVIDIA}"

    set --
    for backend in cuda wgpu flex; do
        if said=$("$folder/gpu" probe $backend 2>&1); then
            machine "$backend: $said"
            if [ $backend != flex ]; then part "tests on $backend" 120 env ANOONLY_GPU=$backend "$folder/gpu-tests" "$tests"; fi
            # shellcheck disable=SC2086 # no word where it is empty
            part "measurement on $backend" 110 "$folder/gpu" measure $backend "$work/$backend.json" $words
            set -- "$@" "$work/$backend.json"
        else
            printf '%s\tnot available\t0\t%s\n' "$backend" "$(echo "$said" | tail -3 | tr '\t\n' '  ')" >>"$work/parts"
        fi
    done
    "$folder/gpu" join "$result" "$work/parts" "$@"
    "$folder/gpu" table "$result"
}

case ${1:-} in
build) build "$2" ;;
run) shift && run "$@" ;;
*) sed -n '2,11s/^# \{0,1\}//p' "$0" && exit 2 ;;
esac
