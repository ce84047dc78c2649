"""The field's competitors for single-source generalisation, as functions on tensors: draw first, apply after."""
