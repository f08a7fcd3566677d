"""The weight-initialisation experiment of the book (section 6.2.4), in numpy and in torch at once.

    python compare/run.py            from a clone, from any folder
    netparity run                    where it is installed

Networks with the inits std=0.01, Xavier and He are trained by both stacks on the same batches; the
losses are drawn in one figure, and step by step it is judged whether both compute the same.
"""

import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

if __name__ == "__main__":
    if not __package__:
        # Run as a file, Python looks for modules beside it; the packages are one folder above.
        sys.path[0] = str(Path(__file__).resolve().parents[1])
    from compare.cli import main

    sys.exit(main(["run", *sys.argv[1:]]))

import torch

import torch_ref
from compare.data import Data, load_data
from compare.errors import InputError
from compare.figure import draw_run, png
from compare.files import prepare_folder, write_results
from compare.judgement import first_failing
from compare.lockstep import Side, TorchStack, lockstep
from compare.memory import check_memory
from compare.options import Options, parse_options
from compare.plan import draw_plan, spaced_steps, weight_rng
from compare.progress import Progress, say
from compare.run_diagnosis import of_files
from compare.run_report import RunReport, collect, raised_json
from compare.subject import (
    Subject,
    optimiser_of,
    scratch_subject,
    subject_of,
    torch_net,
    torch_optimizer,
)
from compare.threads import one_thread_each
from compare.torch_network import Reference
from compare.trial import Trial
from compare.user_frame import CandidateError

FIGURE, REPORT = "weight_init_compare.png", "report.json"
SHAPE, CLASSES = (60_000, 784), 10  # of MNIST; the embedded digits are fewer
Show = Callable[[int, Sequence[Trial]], None]


def experiment(
    options: Options, data: Data, show: Show, subject: Subject | None = None
) -> list[Trial]:
    """Train every init on both stacks, judge as asked, and return what was recorded.

    What stands beside torch is scratch, or the `subject` of --candidate.
    """
    subject = subject or scratch_subject(options, data.x.shape[1], CLASSES)
    dtype, device = getattr(torch, options.dtype), options.device
    sizes = subject.sizes
    plan = draw_plan(sizes, len(data.x), options.steps, options.batch_size, seed=options.seed)
    network = (sizes, subject.activation, subject.weight_decay_lambda, subject.extras)
    reference = Reference(*network, device=device)
    judged = {"auto": spaced_steps(options.steps), "every": range(options.steps), "none": ()}
    steps, given = judged[options.judge], data.judge()
    files = of_files(data) if first_failing(given) else None

    optimiser = optimiser_of(options)
    trials = []
    for label, std in options.init:
        ours = subject.stack(std, weight_rng(plan.seed), options)
        twin = torch_net(subject, std, plan, dtype, device)
        theirs = TorchStack(twin, torch_optimizer(optimiser, twin.parameters()), optimiser.name)
        judging = reference, optimiser, steps, given, subject.convention
        trials.append(Trial(label, ours, theirs, *judging, std))
        trials[-1].files = files

    ours_side = Side(data.x, data.t, [trial.ours for trial in trials])
    torch_side = Side(data.torch_x, data.torch_t, [trial.theirs for trial in trials])
    for step in lockstep(ours_side, torch_side, plan.batches):
        for trial in trials:
            trial.observe(step, ours_side, torch_side)
        show(step, trials)
    return trials


def run(options: Options) -> RunReport:
    """Run the experiment and write the figure and the report.

    Raises
    ------
    InputError
        An option, a file or a combination cannot be used.
    CandidateError
        The network of --candidate, of which a first call worked, raises while it is trained: there
        is a report that says so, and no figure.
    """
    check_device(options.device)
    prepare_folder(options.out, (FIGURE, REPORT))
    check_memory(options, *SHAPE, CLASSES)
    exact = torch_ref.exact_arithmetic(options.device)
    # What torch imports late, and torchvision, leave warning filters behind.
    with warnings.catch_warnings(), one_thread_each(), exact as settings:
        data = load_data(options.data, options.data_root, options.dtype, options.device, say)
        try:
            with subject_of(options, SHAPE[1], CLASSES) as subject, Progress(options) as progress:
                trials = experiment(options, data, progress.show, subject)
                report = collect(options, data, trials, settings, subject.name)
        except CandidateError as error:
            write_results(options.out, {REPORT: raised_json(error).encode()}, without=[FIGURE])
            raise
    files = {FIGURE: png(draw_run(report)), REPORT: report.to_json().encode()}
    write_results(options.out, files)
    return report


def run_experiment(*arguments: str) -> RunReport:
    """Run the experiment from Python: the arguments are the words of the command line.

    >>> run_experiment("--data", "digits", "--steps", "200")  # doctest: +SKIP

    Returns
    -------
    RunReport
        `print` it; in a notebook, it shows itself with the figure.

    Raises
    ------
    InputError, CandidateError
        As `run` does.
    """
    return run(parse_options(arguments))


def check_device(name: str) -> None:
    """Raise InputError where torch cannot compute on the device of this name."""
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise InputError(f"--device {name}: expected cpu, cuda or cuda:N")
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        count = torch.cuda.device_count()
        raise InputError(
            f"--device {name}: expected cpu, cuda or cuda:N, and torch sees {count} CUDA devices"
        ) from error
