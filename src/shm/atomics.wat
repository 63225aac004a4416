;; The operations of SharedWords on a shared memory. Called from JavaScript, each costs little more than its instruction,
;; where Atomics spends as much again on checking its arguments. atomics-wasm.ts holds the bytes; a test assembles this file.
(module
  (import "shm" "memory" (memory 1 16384 shared))

  (func (export "load") (param $at i32) (result i32)
    (i32.atomic.load (local.get $at)))

  (func (export "store") (param $at i32) (param $value i32)
    (i32.atomic.store (local.get $at) (local.get $value)))

  (func (export "add") (param $at i32) (param $value i32) (result i32)
    (i32.atomic.rmw.add (local.get $at) (local.get $value)))

  (func (export "compareExchange") (param $at i32) (param $expected i32) (param $next i32) (result i32)
    (i32.atomic.rmw.cmpxchg (local.get $at) (local.get $expected) (local.get $next)))

  (func (export "claim") (param $at i32) (param $expected i32) (param $next i32) (result f64)
    (local $token f64)
    (if (result f64)
      (i32.eq (i32.atomic.rmw.cmpxchg (local.get $at) (local.get $expected) (local.get $next)) (local.get $expected))
      (then
        (f64.store offset=8 (local.get $at)
          (local.tee $token (f64.add (f64.load offset=8 (local.get $at)) (f64.const 1))))
        (local.get $token))
      (else (f64.const 0))))

  (func (export "spin") (param $at i32) (param $mask i32) (param $own i32) (param $rounds i32) (result i32)
    (local $value i32) (local $bits i32)
    (loop $again
      (local.set $value (i32.atomic.load (local.get $at)))
      (local.set $bits (i32.and (local.get $value) (local.get $mask)))
      (br_if $again
        (i32.and
          (i32.and
            (i32.ne (local.get $bits) (i32.const 0))
            (i32.ne (local.get $bits) (local.get $own)))
          (i32.gt_s (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1))) (i32.const 0)))))
    (local.get $value))

  (func (export "loadNumber") (param $at i32) (result f64)
    (f64.load (local.get $at)))

  (func (export "storeNumber") (param $at i32) (param $value f64)
    (f64.store (local.get $at) (local.get $value))))
