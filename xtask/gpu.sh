#!/bin/sh
# Tests and measures the GPU backends.
#
#   xtask/gpu.sh build FOLDER [wgpu]      builds what a run needs into FOLDER, less than 64 MiB; with `wgpu`, without CUDA
#   FOLDER/gpu.sh run RESULT.json [tiny]  runs it there: tests on wgpu and CUDA, then training and scoring with 1, 16 and 256 members
#                                         on each and on all cores of the processor, in at most 10 minutes
#   FOLDER/gpu.sh table RESULT.json       prints the result as Markdown
#
# A run needs no network, no compiler and no source. `tiny` shows that everything works, also on Vulkan's software driver, where it takes
# some minutes, and says nothing about speed. CUDA needs the driver, and NVRTC with its headers, which `build` fetches with pip if it can.
set -eu

# The version of CUDA that the programs are built for. Drivers of this version and later can run them.
cuda=12.4

build() {
    mkdir -p "$1"
    folder=$(cd "$1" && pwd) backends=${2:-wgpu,cuda}
    temporary
    export CUDARC_CUDA_VERSION=12040
    set -- --release --package anoonly-train --features "$backends"
    built() {
        sed -n "s/.*\"executable\":\"\([^\"]*\)\".*/\1/p" | tail -1
    }
    cp "$(cargo build "$@" --example gpu --message-format=json | built)" "$work/gpu"
    cp "$(cargo test "$@" --lib --no-run --message-format=json | built)" "$work/gpu-tests"
    strip "$work/gpu" "$work/gpu-tests"
    # The loader of Vulkan drivers, for machines that have a driver only.
    loader=$(ldconfig -p | sed -n 's/.*libvulkan\.so\.1 .*=> //p' | head -1)
    if [ -n "$loader" ]; then cp -L "$loader" "$work/libvulkan.so.1"; fi
    case $backends in
    *cuda*) fetch ;;
    esac
    tar -C "$work" -czf "$folder/programs.tar.gz" .
    cp "$0" "$folder/gpu.sh"
    du -sh "$folder"
}

# Fetches the compiler for CUDA's kernels with its headers.
fetch() {
    mkdir "$work/fetched"
    if python3 -m pip download --quiet --no-deps --dest "$work/fetched" "nvidia-cuda-nvrtc-cu12==$cuda.*" "nvidia-cuda-runtime-cu12==$cuda.*" \
        "nvidia-cuda-nvcc-cu12==$cuda.*" nvidia-cuda-cccl-cu12; then
        mkdir -p "$work/cuda/include" "$work/cuda/lib"
        for wheel in "$work/fetched/"*.whl; do python3 -m zipfile -e "$wheel" "$work/fetched"; done
        for part in runtime cccl nvcc; do cp -R "$work/fetched/nvidia/cuda_$part/include/." "$work/cuda/include"; done
        cp "$work/fetched/nvidia/cuda_nvrtc/lib/"*.so* "$work/cuda/lib"
        ln -s libnvrtc.so.12 "$work/cuda/lib/libnvrtc.so"
    else
        echo 'NVRTC is missing: the machine must have it' >&2
    fi
    rm -rf "$work/fetched"
}

# A folder that is removed at the end.
temporary() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
}

# Unpacks the programs beside this script.
unpack() {
    temporary
    tar -C "$work" -xzf "$(dirname "$0")/programs.tar.gz"
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
    unpack
    case $size in
    # A software driver is slow to compile its programs.
    tiny) tests='gpu_members::score_as_a_stack' words=tiny testing=900 measuring=900 end=$(($(date +%s) + 2400)) ;;
    *) tests='gpu' words='' testing=120 measuring=110 end=$(($(date +%s) + 580)) ;;
    esac

    libraries=
    if ! ldconfig -p | grep -q 'libvulkan\.so\.1'; then libraries=$work; fi
    # A container may have NVIDIA's driver for Vulkan without the file that names it.
    if ldconfig -p | grep -q 'libGLX_nvidia\.so\.0' && ! ls /usr/share/vulkan/icd.d/nvidia* /etc/vulkan/icd.d/nvidia* >/dev/null 2>&1; then
        printf '{"file_format_version":"1.0.0","ICD":{"library_path":"libGLX_nvidia.so.0","api_version":"1.3.0"}}' >"$work/nvidia.json"
        export VK_ADD_DRIVER_FILES="$work/nvidia.json"
    fi
    if [ -d "$work/cuda" ]; then
        libraries="$work/cuda/lib${libraries:+:$libraries}"
        export CUDA_PATH="$work/cuda"
    fi
    export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"

    machine "$(date -u '+%Y-%m-%d %H:%M UTC'), sizes: $size"
    machine "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores"
    card=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null || true)
    machine "${card:-no graphics card of NVIDIA}"

    set --
    for backend in cuda wgpu flex; do
        # Drivers print warnings to the standard error.
        if said=$(timeout 30 "$work/gpu" probe $backend 2>"$work/log"); then
            machine "$backend: $said"
            if [ $backend != flex ]; then part "tests on $backend" $testing env ANOONLY_GPU=$backend "$work/gpu-tests" "$tests"; fi
            # shellcheck disable=SC2086 # no word where it is empty
            part "measurement on $backend" $measuring "$work/gpu" measure $backend "$work/$backend.json" $words
            set -- "$@" "$work/$backend.json"
        else
            printf '%s\tnot available\t0\t%s\n' "$backend" "$(tail -3 "$work/log" | tr '\t\n' '  ')" >>"$work/parts"
        fi
    done
    "$work/gpu" join "$result" "$work/parts" "$@"
    "$work/gpu" table "$result"
    ! grep -q "$(printf '\tfailed\t')" "$work/parts"
}

case ${1:-} in
build) shift && build "$@" ;;
run) shift && run "$@" ;;
table) unpack && "$work/gpu" table "$2" ;;
*) sed -n '2,12s/^# \{0,1\}//p' "$0" && exit 2 ;;
esac
