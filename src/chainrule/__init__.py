"""Write the forward pass; get the backward pass, derived, checked and compiled."""
