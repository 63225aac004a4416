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

  (func $claim (export "claim") (param $at i32) (param $expected i32) (param $next i32) (result f64)
    (local $token f64)
    (if (result f64)
      (i32.eq (i32.atomic.rmw.cmpxchg (local.get $at) (local.get $expected) (local.get $next)) (local.get $expected))
      (then
        (f64.store offset=8 (local.get $at)
          (local.tee $token (f64.add (f64.load offset=8 (local.get $at)) (f64.const 1))))
        (local.get $token))
      (else (f64.const 0))))

  ;; Rests between looks, longer and longer: each look takes the cache line from the owner, who needs it to release.
  (func (export "claimSpinning") (param $at i32) (param $busy i32) (param $next i32) (param $rounds i32) (result f64)
    (local $value i32) (local $token f64) (local $rest i32) (local $pause i32)
    (local.set $pause (i32.const 16))
    (loop $again
      (local.set $value (i32.atomic.load (local.get $at)))
      (if (i32.eqz (i32.and (local.get $value) (local.get $busy)))
        (then
          (local.set $token (call $claim (local.get $at) (local.get $value) (i32.or (local.get $value) (local.get $next))))
          (if (f64.gt (local.get $token) (f64.const 0))
            (then
              (f64.store offset=32 (local.get $at) (f64.add (f64.load offset=32 (local.get $at)) (f64.const 1)))
              (return (local.get $token))))))
      (local.set $rest (local.get $pause))
      (if (i32.lt_s (local.get $pause) (i32.const 64)) (then (local.set $pause (i32.shl (local.get $pause) (i32.const 1)))))
      (loop $resting
        (br_if $resting (i32.gt_s (local.tee $rest (i32.sub (local.get $rest) (i32.const 1))) (i32.const 0))))
      (br_if $again (i32.gt_s (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1))) (i32.const 0))))
    (f64.const 0))

  ;; The two halves of announcing a read and looking for a writer, in one call.
  (func (export "stepThenLoad") (param $at i32) (param $lock i32) (result i32)
    (if (i32.eq (i32.atomic.rmw.add (local.get $at) (i32.const 1)) (i32.const -1))
      (then (drop (i32.atomic.rmw.add offset=48 (local.get $lock) (i32.const 1)))))
    (i32.atomic.load (local.get $lock)))

  (func (export "loadNumber") (param $at i32) (result f64)
    (f64.load (local.get $at)))

  (func (export "storeNumber") (param $at i32) (param $value f64)
    (f64.store (local.get $at) (local.get $value))))
