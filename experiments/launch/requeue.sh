# Sourced by SLURM's scripts: runs a command, and puts its job back into the queue when SLURM says that the time is over.

requeue() {
    echo "the time is over: job ${SLURM_JOB_ID} goes back into the queue"
    scontrol requeue "$SLURM_JOB_ID"
}

run_or_requeue() {
    local status
    trap requeue USR1
    "$@" &
    wait $!
    status=$?
    while kill -0 $! 2> /dev/null; do # a signal ends 'wait', not the job
        wait $!
        status=$?
    done
    return $status
}
