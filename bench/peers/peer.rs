// std's mutex behind the line protocol of contender.ts: peer pairs|contention std [threads]
use std::io::{stdin, BufRead};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

#[repr(align(64))]
struct Line<T>(T);

static MUTEX: Line<Mutex<()>> = Line(Mutex::new(()));
static COUNT: Line<AtomicU32> = Line(AtomicU32::new(0));
static GO: Line<AtomicBool> = Line(AtomicBool::new(false));
static STOP: Line<AtomicBool> = Line(AtomicBool::new(false));

extern "C" {
    /// Of the C library: µs of processor time of this process.
    fn clock() -> std::ffi::c_long;
}

#[inline(always)]
fn work(mut x: u32, steps: u64) -> u32 {
    for _ in 0..steps {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
    }
    x
}

fn pairs(n: u64) -> f64 {
    let start = Instant::now();
    for _ in 0..n {
        drop(std::hint::black_box(MUTEX.0.lock().unwrap()));
    }
    start.elapsed().as_nanos() as f64 / n as f64
}

fn contest(inside: u64, outside: u64) -> u32 {
    let (mut x, mut n) = (1, 0);
    while !GO.0.load(SeqCst) {
        thread::yield_now();
    }
    loop {
        let guard = MUTEX.0.lock().unwrap();
        COUNT.0.store(COUNT.0.load(Relaxed) + 1, Relaxed);
        x = work(x, inside);
        drop(guard);
        x = work(x, outside);
        n += 1;
        if STOP.0.load(SeqCst) {
            std::hint::black_box(x);
            return n;
        }
    }
}

fn contention(threads: usize, inside: u64, outside: u64, ms: u64) {
    COUNT.0.store(0, Relaxed);
    GO.0.store(false, SeqCst);
    STOP.0.store(false, SeqCst);
    let all: Vec<_> = (0..threads).map(|_| thread::spawn(move || contest(inside, outside))).collect();
    let cpu = unsafe { clock() };
    let start = Instant::now();
    GO.0.store(true, SeqCst);
    thread::sleep(Duration::from_millis(ms));
    STOP.0.store(true, SeqCst);
    let elapsed = start.elapsed().as_nanos() as f64 / 1e3;
    let cpu = unsafe { clock() } - cpu;
    let acquisitions: Vec<u32> = all.into_iter().map(|one| one.join().unwrap()).collect();
    assert_eq!(acquisitions.iter().sum::<u32>(), COUNT.0.load(Relaxed), "does not exclude");
    println!("{{\"acquisitions\":{acquisitions:?},\"elapsedUs\":{elapsed},\"cpuUs\":{cpu}}}");
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let threads = arguments.get(3).map_or(2, |text| text.parse().unwrap());
    println!("{{}}");
    for line in stdin().lock().lines() {
        let numbers: Vec<u64> = line.unwrap().split(' ').map(|text| text.parse().unwrap()).collect();
        if arguments[1] == "contention" {
            contention(threads, numbers[0], numbers[1], numbers[2]);
        } else {
            println!("{}", pairs(numbers[0]));
        }
    }
}
