"""Entries of the gallery, as their papers print the gradients."""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.gallery import GALLERY
from support.problems.problem import Chapter, Problem

CHAPTER = Chapter()


def entry(name: str, source: str, note: str = "", **expected: str | tuple[str, ...]) -> None:
    """Add an entry of the gallery."""
    ways: Mapping[str, tuple[str, ...]] = {
        key: (value,) if isinstance(value, str) else value for key, value in expected.items()
    }
    function = GALLERY[name].function
    arguments = function.__code__.co_varnames[: function.__code__.co_argcount]
    CHAPTER.add(Problem(f"gallery {name}", source, function, dict.fromkeys(arguments, ""), ways, note))


entry(
    "linear_regression",
    "Goodfellow et al. (2016), 5.1.4",
    y_hat="(2/n) (y_hat − y)",
    w="Xᵀ (∂L/∂y_hat)",
    b="Σ (∂L/∂y_hat)",
)
entry("logistic_regression", "Bishop (2006), 4.91", z="(1/n) (p − y)", w="Xᵀ δ_z", b="Σ δ_z")
entry("softmax_regression", "Bishop (2006), 4.109", Z="(1/n) (P − Y)", W="Xᵀ δ_Z", b="1ᵀ δ_Z")
entry(
    "two_layer_columns",
    "Nielsen (2015), BP1 to BP4",
    z2="∂L/∂a2 ⊙ σ′(z2)",
    a1="W2ᵀ δ2",
    z1="∂L/∂a1 ⊙ σ′(z1)",
    W1="δ1 xᵀ",
    b1="δ1",
    W2="δ2 a1ᵀ",
    b2="δ2",
)
entry(
    "two_layer_rows",
    "Nielsen (2015), for rows",
    z2="∂L/∂a2 ⊙ a2 ⊙ (1 − a2)",
    a1="δ2 W2ᵀ",
    z1="∂L/∂a1 ⊙ a1 ⊙ (1 − a1)",
    W1="Xᵀ δ1",
    b1="1ᵀ δ1",
    W2="a1ᵀ δ2",
    b2="1ᵀ δ2",
)
entry(
    "relu_mlp",
    "CS231n, backpropagation notes",
    y_hat="(1/n) (y_hat − y)",
    W3="a2ᵀ (∂L/∂y_hat)",
    a2="(∂L/∂y_hat) W3ᵀ",
    z2="∂L/∂a2 ⊙ 1[z2 > 0]",
    W2="a1ᵀ δ2",
    W1="Xᵀ δ1",
    b1="1ᵀ δ1",
)
entry(
    "gelu_block",
    "Hendrycks and Gimpel (2016)",
    a="(∂L/∂Y) W2ᵀ",
    z="∂L/∂a ⊙ gelu′(z)",
    X="δ_z W1ᵀ",
    W1="Xᵀ δ_z",
    W2="aᵀ (∂L/∂Y)",
)
entry(
    "swiglu_block",
    "Shazeer (2020)",
    H="(∂L/∂Y) W2ᵀ",
    U="∂L/∂H ⊙ a",
    a="∂L/∂H ⊙ U",
    X="(∂L/∂U) Vᵀ + δ_z Wᵀ",
    W="Xᵀ δ_z",
    V="Xᵀ (∂L/∂U)",
    W2="Hᵀ (∂L/∂Y)",
)
entry("residual_block", "He et al. (2016)", X="∂L/∂Y + δ_z W1ᵀ", W1="Xᵀ δ_z")
entry(
    "batch_norm",
    "Ioffe and Szegedy (2015), collected as in Thakur's notes",
    x_hat="∂L/∂Y ⊙ gamma",
    X="(∂L/∂x_hat − 1 mean₀(∂L/∂x_hat) − x_hat ⊙ (1 mean₀(∂L/∂x_hat ⊙ x_hat))) / sigma",
    gamma="1ᵀ (∂L/∂Y ⊙ x_hat)",
    beta="1ᵀ (∂L/∂Y)",
)
entry(
    "layer_norm",
    "Ba et al. (2016), collected",
    x_hat="∂L/∂Y ⊙ gamma",
    X="(∂L/∂x_hat − mean₁(∂L/∂x_hat) 1ᵀ − x_hat ⊙ (mean₁(∂L/∂x_hat ⊙ x_hat) 1ᵀ)) / sigma",
    gamma="1ᵀ (∂L/∂Y ⊙ x_hat)",
    beta="1ᵀ (∂L/∂Y)",
)
entry(
    "rms_norm",
    "Zhang and Sennrich (2019), collected",
    x_hat="∂L/∂Y ⊙ gamma",
    X=(
        "(∂L/∂x_hat − x_hat ⊙ (mean₁(∂L/∂x_hat ⊙ x_hat) 1ᵀ)) / rms",
        "(∂L/∂x_hat − x_hat ⊙ (mean₁(∂L/∂Y ⊙ Y) 1ᵀ)) / rms",
    ),
    gamma="1ᵀ (∂L/∂Y ⊙ x_hat)",
)
entry(
    "attention",
    "Dao et al. (2022), FlashAttention, appendix B.2",
    V="Pᵀ (∂L/∂O)",
    P="(∂L/∂O) Vᵀ",
    S="P ⊙ (∂L/∂P − ((P ⊙ ∂L/∂P) 1) 1ᵀ)",
    Q="(1/√d) δ_S K",
    K="(1/√d) δ_Sᵀ Q",
)
entry("lora", "Hu et al. (2021)", B="(alpha / r) (∂L/∂h) uᵀ", u="(alpha / r) Bᵀ (∂L/∂h)", A="(∂L/∂u) xᵀ")
entry("dropout", "Srivastava et al. (2014)", "scalar factors come first", X="∂L/∂Y ⊙ mask / q")
entry(
    "rnn",
    "Goodfellow et al. (2016), 10.2.2",
    h2="G_h2 + δ3 Uᵀ",
    W="x1ᵀ δ1 + x2ᵀ δ2 + x3ᵀ δ3",
    U="h0ᵀ δ1 + h1ᵀ δ2 + h2ᵀ δ3",
    b="1ᵀ δ1 + 1ᵀ δ2 + 1ᵀ δ3",
)
entry(
    "lstm_cell",
    "Greff et al. (2017), appendix",
    c_next="G_c_next + ∂L/∂h_next ⊙ o ⊙ (1 − t²)",
    o="∂L/∂h_next ⊙ t",
    f="δ_c_next ⊙ c",
    i="δ_c_next ⊙ g",
    g="δ_c_next ⊙ i",
    c="δ_c_next ⊙ f",
    Wi="xᵀ δ_zi",
    Uf="hᵀ δ_zf",
)
entry(
    "gru_cell",
    "Cho et al. (2014), differentiated",
    h_tilde="∂L/∂h_next ⊙ (1 − z)",
    z="∂L/∂h_next ⊙ (h − h_tilde)",
    r="∂L/∂s ⊙ h",
    U="sᵀ δ_zh",
    h="∂L/∂h_next ⊙ z + ∂L/∂s ⊙ r + δ_zr Urᵀ + δ_zz Uzᵀ",
)
entry(
    "vae",
    "Kingma and Welling (2014), appendix B",
    x_hat="x_hat − x",
    z="(∂L/∂x_hat) Wxᵀ",
    mu="∂L/∂z + mu",
    logvar="½ (∂L/∂std ⊙ std + exp(logvar) − 1)",
    Wx="zᵀ (∂L/∂x_hat)",
)
entry("distillation", "Hinton et al. (2015), equation 2", z="(T / n) (q − p)")
entry("label_smoothing", "Szegedy et al. (2016)", Z="(1/n) (P − Q)")
entry("huber", "Huber (1964)", r="(1/n) (r if u ≤ delta, else delta · sign(r))")
entry("weight_decay", "Krogh and Hertz (1992)", r="(1/n) r", w="Xᵀ (∂L/∂r) + lam · w")
entry("l1_regularization", "Tibshirani (1996)", r="(1/n) r", w="Xᵀ (∂L/∂r) + lam · sign(w)")
entry(
    "mixture_of_experts",
    "Jacobs et al. (1991), differentiated",
    "a scalar that is subtracted from each element is repeated by 1",
    h=("g ⊙ (∂L/∂g − gᵀ (∂L/∂g))", "g ⊙ (∂L/∂g − 1 gᵀ (∂L/∂g))"),
    Wg="δ_h xᵀ",
    g="E (∂L/∂y)",
    E="g (∂L/∂y)ᵀ",
)
entry("ppo", "Schulman et al. (2017), equation 7", r="0 if u < r ⊙ A, else −(1/n) A", logp="∂L/∂r ⊙ r")
entry(
    "dpo",
    "Rafailov et al. (2023), section 4",
    r_w="−(1/n) σ(r_l − r_w)",
    r_l="(1/n) σ(r_l − r_w)",
    logp_w="beta · ∂L/∂r_w",
)
entry("triplet", "Schroff et al. (2015), equation 3", u="1[u > 0]", a="2 (δ_u 1ᵀ) ⊙ (n − p)", n="2 (δ_u 1ᵀ) ⊙ (a − n)")
entry(
    "info_nce",
    "van den Oord et al. (2018)",
    "the logits of the positives are apart",
    Q=("(1/n) (softmax(S) K − K) / tau", "(δ_S K − (1/n) K) / tau"),
    K=("(1/n) (softmax(S)ᵀ Q − Q) / tau", "(δ_Sᵀ Q − (1/n) Q) / tau"),
)
