//! What a coded symbol costs with each kernel, beside `reed-solomon-simd` doing equal work: as many repair symbols of 1,200 bytes
//! from a window of K, and as many losses made good. Throughput is that of the K sources.
//!
//! A link that loses 5 % of 20 Mbit/s needs a repair symbol of K = 32 every 5 ms. 1 % of a core for that is 50 µs a symbol.

use std::hint::black_box;

use bondbox_gf256::{Kernel, inverse, mul};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const SYMBOL: usize = 1_200;
/// Sources in the window and repair symbols, which is also how many sources are lost: from a keyframe's worth of a slow link to
/// the largest window that the engine opens, with as many symbols as it ever plans for it.
const SHAPES: [(usize, usize); 5] = [(8, 2), (16, 4), (32, 2), (32, 8), (64, 16)];

fn kernels(c: &mut Criterion) {
    let mut group = c.benchmark_group("mul_add_1200");
    group.throughput(Throughput::Bytes(SYMBOL as u64));
    let (mut to, from) = (vec![1; SYMBOL], vec![2; SYMBOL]);
    for kernel in Kernel::all() {
        group.bench_function(kernel.name(), |b| b.iter(|| kernel.mul_add(&mut to, black_box(&from), 7)));
    }
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    for (k, repairs) in SHAPES {
        let sources = sources(k);
        let shape = format!("K={k} R={repairs}");
        group.throughput(Throughput::Bytes((k * SYMBOL) as u64));
        for kernel in Kernel::all() {
            let name = format!("window, {}", kernel.name());
            group.bench_function(BenchmarkId::new(name, &shape), |b| b.iter(|| window(kernel, &sources, repairs)));
        }
        group.bench_function(BenchmarkId::new("reed-solomon-simd", &shape), |b| {
            b.iter(|| reed_solomon_simd::encode(k, repairs, black_box(&sources)).unwrap());
        });
    }
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    for (k, lost) in SHAPES {
        let sources = sources(k);
        let shape = format!("K={k} lost={lost}");
        group.throughput(Throughput::Bytes((k * SYMBOL) as u64));
        let repairs = window(Kernel::best(), &sources, lost);
        for kernel in Kernel::all() {
            assert_eq!(solve(kernel, &sources[lost..], lost, repairs.clone()), sources[..lost]);
            let name = format!("window, {}", kernel.name());
            group.bench_function(BenchmarkId::new(name, &shape), |b| {
                b.iter(|| solve(kernel, black_box(&sources[lost..]), lost, repairs.clone()));
            });
        }
        let block = reed_solomon_simd::encode(k, lost, &sources).unwrap();
        group.bench_function(BenchmarkId::new("reed-solomon-simd", &shape), |b| {
            b.iter(|| {
                let arrived = sources.iter().enumerate().skip(lost);
                reed_solomon_simd::decode(k, lost, arrived, block.iter().enumerate()).unwrap()
            });
        });
    }
}

fn sources(k: usize) -> Vec<Vec<u8>> {
    (0..k).map(|i| (0..SYMBOL).map(|j| (i * 31 + j * 7 + i * j) as u8).collect()).collect()
}

fn coefficient(repair: usize, source: usize) -> u8 {
    ((repair * 71 + source * 29 + repair * source * 3) % 255 + 1) as u8
}

/// Repair symbols over all of `sources`.
fn window(kernel: Kernel, sources: &[Vec<u8>], repairs: usize) -> Vec<Vec<u8>> {
    let symbol = |repair| {
        let mut sum = vec![0; SYMBOL];
        for (i, source) in sources.iter().enumerate() {
            kernel.mul_add(&mut sum, source, coefficient(repair, i));
        }
        sum
    };
    (0..repairs).map(symbol).collect()
}

/// The first `lost` sources, from those after them and as many repair symbols.
fn solve(kernel: Kernel, arrived: &[Vec<u8>], lost: usize, mut rows: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut matrix: Vec<Vec<u8>> = (0..lost).map(|r| (0..lost).map(|s| coefficient(r, s)).collect()).collect();
    for (repair, row) in rows.iter_mut().enumerate() {
        for (i, source) in arrived.iter().enumerate() {
            kernel.mul_add(row, source, coefficient(repair, lost + i));
        }
    }
    for pivot in 0..lost {
        let found = (pivot..lost).find(|row| matrix[*row][pivot] != 0).expect("these coefficients are independent");
        matrix.swap(pivot, found);
        rows.swap(pivot, found);
        let factor = inverse(matrix[pivot][pivot]).expect("a pivot is not zero");
        kernel.scale(&mut rows[pivot], factor);
        matrix[pivot].iter_mut().for_each(|value| *value = mul(*value, factor));
        let (own, values) = (rows[pivot].clone(), matrix[pivot].clone());
        for row in (0..lost).filter(|row| *row != pivot) {
            let factor = matrix[row][pivot];
            kernel.mul_add(&mut rows[row], &own, factor);
            matrix[row].iter_mut().zip(&values).for_each(|(to, from)| *to ^= mul(*from, factor));
        }
    }
    rows
}

criterion_group!(benches, kernels, encode, decode);
criterion_main!(benches);
