//! Whether what was used is within what may be used.
//!
//! It fails closed: where a budget cannot be kept because nobody says what was
//! used, that is as if it had been exceeded.

use crate::plan::agent::{Budget, Price, Usage};

/// What was used, with its cost where the report tells none and there is a price.
pub fn priced(usage: Usage, price: Option<Price>) -> Usage {
    let cost = usage.cost.or_else(|| {
        let Price { input, output } = price?;
        let millions = |tokens: u64| tokens as f64 / 1e6;
        Some(millions(usage.input_tokens) * input + millions(usage.output_tokens) * output)
    });
    Usage { cost, ..usage }
}

/// Whether an agent may be counted on to have kept its budget.
///
/// # Errors
/// In words: what was exceeded, or why that cannot be known.
pub fn check(used: Option<Usage>, budget: &Budget, whose: &str) -> Result<(), String> {
    if *budget == Budget::default() {
        return Ok(());
    }
    let Some(used) = used else {
        return Err(format!(
            "there is a budget {whose}, and it does not report what it used"
        ));
    };
    let counted = [
        (used.turns, budget.turns, "turns"),
        (used.tokens(), budget.tokens, "tokens"),
    ];
    for (used, most, what) in counted {
        if let Some(most) = most.filter(|most| used > *most) {
            return Err(format!(
                "the budget {whose} of {most} {what} is exceeded: {used} were used"
            ));
        }
    }
    match (budget.cost, used.cost) {
        (Some(most), Some(cost)) if cost > most => Err(format!(
            "the budget {whose} of {most} is exceeded: it cost {cost:.4}"
        )),
        (Some(most), None) => Err(format!(
            "there is a budget {whose} of {most}, and what was used is unpriced"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(turns: u64, input: u64, output: u64) -> Usage {
        Usage {
            turns,
            input_tokens: input,
            output_tokens: output,
            cost: None,
        }
    }

    #[test]
    fn a_budget_is_exceeded_by_more_than_it_and_by_what_nobody_knows() {
        let turns = Budget {
            turns: Some(3),
            ..Budget::default()
        };
        assert_eq!(check(Some(used(3, 0, 0)), &turns, "of A"), Ok(()));
        let over = check(Some(used(4, 0, 0)), &turns, "of A").expect_err("one too many");
        assert_eq!(over, "the budget of A of 3 turns is exceeded: 4 were used");
        assert!(check(None, &turns, "of A").is_err());
        assert_eq!(check(None, &Budget::default(), "of A"), Ok(()));
        let money = Budget {
            cost: Some(1.0),
            ..Budget::default()
        };
        let unpriced = check(Some(used(1, 5, 5)), &money, "of A").expect_err("unknown");
        assert!(unpriced.contains("unpriced"), "{unpriced}");
    }

    #[test]
    fn a_price_counts_where_the_report_has_no_cost() {
        let price = Price {
            input: 3.0,
            output: 15.0,
        };
        let cost = priced(used(1, 1_000_000, 100_000), Some(price)).cost;
        assert_eq!(cost, Some(4.5));
        assert_eq!(priced(used(1, 1, 1), None).cost, None);
        let told = Usage {
            cost: Some(0.25),
            ..used(1, 1_000_000, 0)
        };
        assert_eq!(priced(told, Some(price)).cost, Some(0.25));
    }
}
