"""Second derivatives: Hessians, Jacobians, and what both have in common."""
