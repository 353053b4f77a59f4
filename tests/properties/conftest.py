from hypothesis import HealthCheck, Phase, settings

# One profile for all: no database in the checkout, no deadline on a shared machine.
settings.register_profile(
    "compact",
    max_examples=100,
    deadline=None,
    database=None,
    print_blob=True,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],  # histories are large, and only some of them are compacted
)
settings.load_profile("compact")
