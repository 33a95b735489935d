/** The page to sign in on, and to set the first password on. */
import { useState } from "react";
import type { FormEvent, ReactNode } from "react";
import { setPassword, signIn } from "../api/account-api.ts";
import type { Who } from "../api/account-api.ts";
import { ApiError } from "../api/http.ts";
import { useSignedInAnew } from "./who-context.tsx";

/** Faults that a provider sends back with, by the word in the address. */
const RETURNS: Readonly<Record<string, string>> = {
  refused: "The other side did not sign you in.",
  unknown: "You are known there, but not here. Ask an administrator of this Finch.",
  failed: "Signing in there did not work. Try again, or ask an administrator to look at the log.",
};

type Step =
  | { readonly kind: "sign-in" }
  | { readonly kind: "set-password"; readonly name: string; readonly password: string };

export function SignInPage({ who }: { readonly who: Who }): ReactNode {
  const [step, setStep] = useState<Step>({ kind: "sign-in" });
  const problem = new URLSearchParams(location.search).get("sign-in") ?? "";
  return (
    <main className="sign-in">
      <div className="sign-in-card">
        <header>
          <img src="/finch.svg" alt="" width="40" height="40" />
          <h1>{step.kind === "sign-in" ? "Sign in to Finch" : "Set your password"}</h1>
        </header>
        {RETURNS[problem] !== undefined && step.kind === "sign-in" && (
          <p className="notice notice-warn">{RETURNS[problem]}</p>
        )}
        {step.kind === "sign-in" ? (
          <SignInForm
            who={who}
            onFirst={(name, password) => setStep({ kind: "set-password", name, password })}
          />
        ) : (
          <PasswordForm name={step.name} password={step.password} />
        )}
      </div>
    </main>
  );
}

function SignInForm({
  who,
  onFirst,
}: {
  readonly who: Who;
  readonly onFirst: (name: string, password: string) => void;
}): ReactNode {
  const signedInAnew = useSignedInAnew();
  const { fault, busy, run } = useAttempt();
  const onSubmit = (event: FormEvent<HTMLFormElement>): void => {
    const [name, password] = valuesOf(event, "name", "password");
    run(async () => {
      try {
        await signIn(name!, password!);
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 409)) throw error;
        onFirst(name!, password!);
        return;
      }
      await signedInAnew();
    });
  };
  return (
    <>
      {who.isFirstSignIn && (
        <p className="sign-in-hint">
          Nobody has signed in yet. Begin with the name <b>admin</b> and the password <b>admin</b>.
        </p>
      )}
      <form className="sign-in-form" onSubmit={onSubmit}>
        <Field label="Name" name="name" autoComplete="username" autoFocus />
        <Field label="Password" name="password" type="password" autoComplete="current-password" />
        <Fault text={fault} />
        <button className="button button-primary" type="submit" disabled={busy}>
          Sign in
        </button>
      </form>
      {who.providers.map(({ name, path }) => (
        <a
          key={path}
          className="button"
          href={`${path}?to=${encodeURIComponent(hereWithoutFault())}`}
        >
          Sign in with {name}
        </a>
      ))}
    </>
  );
}

function PasswordForm({
  name,
  password,
}: {
  readonly name: string;
  readonly password: string;
}): ReactNode {
  const signedInAnew = useSignedInAnew();
  const { fault, busy, run } = useAttempt();
  const [needsCode, setNeedsCode] = useState(false);
  const onSubmit = (event: FormEvent<HTMLFormElement>): void => {
    const [newPassword, again, setUpCode] = valuesOf(event, "new", "again", "code");
    run(async () => {
      if (newPassword !== again) throw new ApiError(0, "The two passwords differ.");
      try {
        await setPassword({ name, password, newPassword: newPassword!, setUpCode: setUpCode! });
      } catch (error) {
        if (error instanceof ApiError && error.status === 401) setNeedsCode(true);
        throw error;
      }
      await signedInAnew();
    });
  };
  return (
    <form className="sign-in-form" onSubmit={onSubmit}>
      <p className="sign-in-hint">
        The first password is good once. Choose one of ten characters or more for <b>{name}</b>.
      </p>
      <input type="hidden" name="username" autoComplete="username" value={name} readOnly />
      <Field
        label="New password"
        name="new"
        type="password"
        autoComplete="new-password"
        autoFocus
      />
      <Field label="Once more" name="again" type="password" autoComplete="new-password" />
      {needsCode && (
        <Field
          label="Set-up code, which Finch printed when it started"
          name="code"
          autoComplete="off"
        />
      )}
      <Fault text={fault} />
      <button className="button button-primary" type="submit" disabled={busy}>
        Set password
      </button>
    </form>
  );
}

function Field({
  label,
  ...input
}: {
  readonly label: string;
  readonly name: string;
  readonly type?: string;
  readonly autoComplete: string;
  readonly autoFocus?: boolean;
}): ReactNode {
  return (
    <label className="field">
      <span>{label}</span>
      <input required spellCheck={false} autoCapitalize="none" {...input} />
    </label>
  );
}

export function Fault({ text }: { readonly text: string }): ReactNode {
  return text === "" ? null : (
    <p className="notice notice-error" role="alert">
      {text}
    </p>
  );
}

/** One thing at a time, and what went wrong with it. */
export function useAttempt(): {
  readonly fault: string;
  readonly busy: boolean;
  readonly run: (work: () => Promise<void>) => void;
} {
  const [fault, setFault] = useState("");
  const [busy, setBusy] = useState(false);
  const run = (work: () => Promise<void>): void => {
    setBusy(true);
    setFault("");
    void work()
      .catch((error: unknown) => setFault(sentence(error)))
      .finally(() => setBusy(false));
  };
  return { fault, busy, run };
}

function sentence(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Values of a form that is not to be sent by the browser. */
export function valuesOf(
  event: FormEvent<HTMLFormElement>,
  ...names: readonly string[]
): readonly string[] {
  event.preventDefault();
  const data = new FormData(event.currentTarget);
  return names.map((name) => {
    const value = data.get(name);
    return typeof value === "string" ? value : "";
  });
}

function hereWithoutFault(): string {
  const search = new URLSearchParams(location.search);
  search.delete("sign-in");
  const text = search.toString();
  return location.pathname + (text === "" ? "" : `?${text}`);
}
