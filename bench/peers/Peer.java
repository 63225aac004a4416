import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.Scanner;
import java.util.concurrent.locks.ReentrantLock;

/** Java's locks behind the line protocol of contender.ts: Peer pairs|contention reentrant|synchronized [threads] */
class Peer {
  static final ReentrantLock lock = new ReentrantLock();
  static final Object monitor = new Object();
  static final OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
  static volatile boolean go, stop;
  static volatile int rest;
  static int count;

  static int work(int x, long steps) {
    for (long i = 0; i < steps; i++) {
      x ^= x << 13;
      x ^= x >>> 17;
      x ^= x << 5;
    }
    return x;
  }

  static double reentrantPairs(long n) {
    long start = System.nanoTime();
    for (long i = 0; i < n; i++) {
      lock.lock();
      count++;
      lock.unlock();
    }
    return (double) (System.nanoTime() - start) / n;
  }

  static double synchronizedPairs(long n) {
    long start = System.nanoTime();
    for (long i = 0; i < n; i++) {
      synchronized (monitor) {
        count++;
      }
    }
    return (double) (System.nanoTime() - start) / n;
  }

  static int reentrantContest(long inside, long outside) {
    int x = 1, n = 0;
    while (!go) Thread.yield();
    do {
      lock.lock();
      try {
        count++;
        x = work(x, inside);
      } finally {
        lock.unlock();
      }
      x = work(x, outside);
      n++;
    } while (!stop);
    rest = x;
    return n;
  }

  static int synchronizedContest(long inside, long outside) {
    int x = 1, n = 0;
    while (!go) Thread.yield();
    do {
      synchronized (monitor) {
        count++;
        x = work(x, inside);
      }
      x = work(x, outside);
      n++;
    } while (!stop);
    rest = x;
    return n;
  }

  static void contention(boolean reentrant, int threads, long inside, long outside, long ms) throws InterruptedException {
    int[] acquisitions = new int[threads];
    Thread[] all = new Thread[threads];
    count = 0;
    go = stop = false;
    for (int i = 0; i < threads; i++) {
      int me = i;
      all[i] = new Thread(() -> acquisitions[me] = reentrant ? reentrantContest(inside, outside) : synchronizedContest(inside, outside));
      all[i].start();
    }
    long cpu = system.getProcessCpuTime();
    long start = System.nanoTime();
    go = true;
    Thread.sleep(ms);
    stop = true;
    long elapsed = System.nanoTime() - start;
    cpu = system.getProcessCpuTime() - cpu;
    for (Thread one : all) one.join();
    if (Arrays.stream(acquisitions).sum() != count) throw new IllegalStateException("does not exclude");
    System.out.println("{\"acquisitions\":" + Arrays.toString(acquisitions) + ",\"elapsedUs\":" + elapsed / 1e3 + ",\"cpuUs\":" + cpu / 1e3 + "}");
  }

  public static void main(String[] arguments) throws InterruptedException {
    boolean reentrant = arguments[1].equals("reentrant");
    int threads = arguments.length > 2 ? Integer.parseInt(arguments[2]) : 2;
    System.out.println("{}");
    Scanner lines = new Scanner(System.in);
    while (lines.hasNextLine()) {
      long[] numbers = Arrays.stream(lines.nextLine().split(" ")).mapToLong(Long::parseLong).toArray();
      if (arguments[0].equals("contention")) contention(reentrant, threads, numbers[0], numbers[1], numbers[2]);
      else System.out.println(reentrant ? reentrantPairs(numbers[0]) : synchronizedPairs(numbers[0]));
    }
  }
}
