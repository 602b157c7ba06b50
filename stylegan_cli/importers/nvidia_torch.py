"""NVIDIA's PyTorch pickles (StyleGAN2-ADA, StyleGAN3): dicts of modules G, D and G_ema, with their options. And those
of StyleGAN-XL, whose generators are StyleGAN3's that have grown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stylegan_cli.architectures.stylegan3 import MAPPING_LR
from stylegan_cli.importers import configs, stylegan_xl
from stylegan_cli.importers.checkpoint import Draft, Drafts
from stylegan_cli.importers.keymap import To, counted, rename
from stylegan_cli.importers.stored import RefusedError, shown
from stylegan_cli.importers.unpickle import Record, is_inert

MAX_MODULES = 10_000
MAX_DEPTH = 8
# Options that networks must have been built with, if their modules say.
REQUIRED: dict[str, tuple[Any, ...]] = {"activation": ("lrelu", "linear"), "use_noise": (True,)}
# Arguments of StyleGAN3's synthesis network that our config has under the same names and with the same defaults.
STYLEGAN3_OPTIONS = (
    "channel_base", "channel_max", "num_layers", "num_critical", "first_cutoff", "first_stopband", "last_stopband_rel",
    "margin_size", "conv_kernel", "use_radial_filters", "filter_size", "lrelu_upsampling", "conv_clamp", "output_scale",
    "magnitude_ema_beta",
)  # fmt: skip

PLAIN = "torch.nn.modules."  # PyTorch's own modules, which store their attributes directly

Modules = dict[str, dict[str, Any]]


def read(tree: Mapping[str, Any]) -> Drafts:
    """The dict of G_ema, G and D; the rest (augmentation, data set) is not needed."""
    networks = {name: tree[name] for name in ("G_ema", "G", "D") if tree.get(name) is not None}
    if isinstance(judge := networks.get("D"), Record) and is_inert(judge.name):
        del networks["D"]  # Projected GAN's, which judges features of classifiers
    if not networks.keys() & {"G_ema", "G"}:
        raise RefusedError("it has no generator")
    averaged = _modules(networks.get("G_ema", networks.get("G")))
    if stylegan_xl.is_one(averaged):
        config = _stylegan3_config(averaged)
        return Drafts("StyleGAN-XL pickle", stylegan_xl.generator(averaged, config, _state(averaged)))
    is_third = "synthesis.input" in averaged
    generator_of = _stylegan3 if is_third else _stylegan2
    return Drafts(
        f"NVIDIA {'StyleGAN3' if is_third else 'StyleGAN2-ADA'} pickle",
        generator_of(averaged),
        (lambda: _discriminator(_modules(networks["D"]))) if "D" in networks else None,
        (lambda: generator_of(_modules(networks["G"]))) if "G" in networks else None,
    )


def _stylegan2(found: Modules) -> Draft:
    own, state = found[""], _state(found)
    draft = configs.stylegan2_generator(
        rename(state, {name: _kept(name) for name in state}),
        conv_clamp=found["synthesis.b4.conv1"]["conv_clamp"],
        mapping_lr_multiplier=found["mapping.fc0"]["bias_gain"],
        w_avg_beta=found["mapping"]["w_avg_beta"],
        **configs.resample_filter(value for name, value in state.items() if _kept(name) is None),
    )
    said = {"z_dim": own["z_dim"], "w_dim": own["w_dim"], "architecture": found["synthesis.b4"]["architecture"]}
    return configs.agree(draft, _sizes(own) | said)


def _discriminator(found: Modules) -> Draft:
    """StyleGAN2-ADA and StyleGAN3 both use StyleGAN2's."""
    state = _state(found)
    deviation = found.get("b4.mbstd", {"group_size": 4})
    mapping = {"mapping_lr_multiplier": found["mapping.fc0"]["bias_gain"]} if "mapping.fc0" in found else {}
    draft = configs.stylegan2_discriminator(
        rename(state, {name: _kept(name) for name in state}),
        conv_clamp=found["b4.conv"]["conv_clamp"],
        mbstd_group_size=deviation["group_size"] or configs.WHOLE_BATCH,
        **mapping,
        **configs.resample_filter(value for name, value in state.items() if _kept(name) is None),
    )
    return configs.agree(draft, _sizes(found[""]) | {"architecture": found["b4"]["architecture"]})


def _stylegan3(found: Modules) -> Draft:
    state = _state(found)
    return Draft("stylegan3", _stylegan3_config(found), rename(state, {name: To(name) for name in state}))


def _stylegan3_config(found: Modules) -> dict[str, Any]:
    mapping, synthesis = found["mapping"], found["synthesis"]
    given = synthesis["_init_kwargs"]
    if found["mapping.fc0"]["bias_gain"] != MAPPING_LR:
        raise RefusedError("its mapping network has a learning-rate multiplier other than StyleGAN3's")
    return {
        "resolution": synthesis["img_resolution"],
        "img_channels": synthesis["img_channels"],
        "mapping_layers": mapping["num_layers"],
        **{name: mapping[name] for name in ("z_dim", "w_dim", "c_dim", "w_avg_beta")},
        **{name: given[name] for name in STYLEGAN3_OPTIONS if name in given},
    }


def _kept(name: str) -> To | None:
    """StyleGAN2's names are the same as ours. Its resampling filters are one value in our config."""
    return None if name.endswith("resample_filter") else To(name)


def _sizes(own: Mapping[str, Any]) -> dict[str, Any]:
    return {"resolution": own["img_resolution"], "c_dim": own["c_dim"], "img_channels": own["img_channels"]}


def _state(found: Modules) -> dict[str, Any]:
    """The state dict: parameters and buffers under their dotted names."""
    named = (
        (f"{name}.{own}" if name else own, value)
        for name, module in found.items()
        for own, value in (module["_parameters"] | module["_buffers"]).items()
    )
    return {name: value for name, value in counted(named) if value is not None}


def _modules(record: Any) -> Modules:
    """Every submodule's attributes under its dotted name; the module's own are under ''."""
    found: Modules = {}
    for name, attributes in _walk(record, "", 0):
        if len(found) == MAX_MODULES or len(attributes["_modules"]) > MAX_MODULES:
            raise RefusedError(f"it has a network of more than {MAX_MODULES} modules")
        for option, allowed in REQUIRED.items():
            if attributes.get(option, allowed[0]) not in allowed:
                raise RefusedError(
                    f"its module {shown(name)} has {option} {shown(attributes[option])}, which is not supported"
                )
        found[name] = attributes
    return found


def _walk(record: Any, name: str, depth: int) -> Iterator[tuple[str, dict[str, Any]]]:
    is_theirs = isinstance(record, Record) and record.name == "module"
    is_plain = isinstance(record, Record) and record.name.startswith(PLAIN)
    if not (is_theirs or is_plain) or depth > MAX_DEPTH:
        raise RefusedError("it has a network that does not consist of NVIDIA's modules")
    attributes = record.state["state"] if is_theirs else record.state
    yield name, attributes
    for child, module in attributes["_modules"].items():
        if module is not None:
            yield from _walk(module, f"{name}.{child}" if name else child, depth + 1)
