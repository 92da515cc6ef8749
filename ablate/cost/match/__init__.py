"""Equal budgets: one dimension of a layout turned until its parameters, MACs or memory meet a target."""
