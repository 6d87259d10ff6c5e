//! What a coded symbol costs, beside `reed-solomon-simd` doing equal work: as many repair symbols of 1,300 bytes from a window
//! of K, and as many losses made good.
//!
//! A link that loses 5 % of 20 Mbit/s needs a repair symbol of K = 32 every 5 ms. 1 % of a core for that is 50 µs a symbol.

use std::hint::black_box;

use bondbox_gf256::{Kernel, inverse, mul, mul_add, scale};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const SYMBOL: usize = 1_300;
/// Sources in the window and repair symbols, which is also how many sources are lost.
const SHAPES: [(usize, usize); 3] = [(8, 2), (32, 2), (32, 8)];

fn kernels(c: &mut Criterion) {
    let mut group = c.benchmark_group("mul_add_1300");
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
        group.bench_function(BenchmarkId::new("window", &shape), |b| b.iter(|| window(&sources, repairs)));
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
        let repairs = window(&sources, lost);
        assert_eq!(solve(&sources[lost..], lost, repairs.clone()), sources[..lost]);
        group.bench_function(BenchmarkId::new("window", &shape), |b| {
            b.iter(|| solve(black_box(&sources[lost..]), lost, repairs.clone()));
        });
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
fn window(sources: &[Vec<u8>], repairs: usize) -> Vec<Vec<u8>> {
    let symbol = |repair| {
        let mut sum = vec![0; SYMBOL];
        for (i, source) in sources.iter().enumerate() {
            mul_add(&mut sum, source, coefficient(repair, i));
        }
        sum
    };
    (0..repairs).map(symbol).collect()
}

/// The first `lost` sources, from those after them and as many repair symbols.
fn solve(arrived: &[Vec<u8>], lost: usize, mut rows: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut matrix: Vec<Vec<u8>> = (0..lost).map(|r| (0..lost).map(|s| coefficient(r, s)).collect()).collect();
    for (repair, row) in rows.iter_mut().enumerate() {
        for (i, source) in arrived.iter().enumerate() {
            mul_add(row, source, coefficient(repair, lost + i));
        }
    }
    for pivot in 0..lost {
        let found = (pivot..lost).find(|row| matrix[*row][pivot] != 0).expect("these coefficients are independent");
        matrix.swap(pivot, found);
        rows.swap(pivot, found);
        let factor = inverse(matrix[pivot][pivot]).expect("a pivot is not zero");
        scale(&mut rows[pivot], factor);
        matrix[pivot].iter_mut().for_each(|value| *value = mul(*value, factor));
        let (own, values) = (rows[pivot].clone(), matrix[pivot].clone());
        for row in (0..lost).filter(|row| *row != pivot) {
            let factor = matrix[row][pivot];
            mul_add(&mut rows[row], &own, factor);
            matrix[row].iter_mut().zip(&values).for_each(|(to, from)| *to ^= mul(*from, factor));
        }
    }
    rows
}

criterion_group!(benches, kernels, encode, decode);
criterion_main!(benches);
